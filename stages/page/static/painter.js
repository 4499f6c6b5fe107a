// Puts colour and alpha together on a canvas: by WebGL, or pixel by pixel where there is none.
// A frame is two pictures (colour, and alpha as grey) or one with alpha in it.

const VERTEX = `
attribute vec2 corner;
varying vec2 at;
void main() {
  at = vec2(corner.x, 1.0 - corner.y);
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}`;

// JPEG makes 1 or 254 of a few alphas that were 0 or 255: the ends are pulled out again.
const FRAGMENT = `
precision mediump float;
uniform sampler2D colour;
uniform sampler2D alpha;
uniform float together;
varying vec2 at;
void main() {
  vec4 pixel = texture2D(colour, at);
  float apart = clamp((texture2D(alpha, at).r - 0.02) / 0.96, 0.0, 1.0);
  float a = mix(apart, pixel.a, together);
  gl_FragColor = vec4(pixel.rgb * a, a);
}`;

export function newPainter(canvas) {
  const wanted = new URLSearchParams(location.search).get("painter");
  const gl = wanted === "2d" ? null : canvas.getContext("webgl", { antialias: false });
  return gl ? new WebGlPainter(canvas, gl) : new PixelPainter(canvas);
}

class WebGlPainter {
  constructor(canvas, gl) {
    this.name = "WebGL";
    this.canvas = canvas;
    this.gl = gl;
    this.prepare();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.prepare());
  }

  prepare() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
    const corner = gl.getAttribLocation(program, "corner");
    gl.enableVertexAttribArray(corner);
    gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);
    this.together = gl.getUniformLocation(program, "together");
    ["colour", "alpha"].forEach((name, unit) => {
      gl.uniform1i(gl.getUniformLocation(program, name), unit);
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
      for (const [what, value] of [
        [gl.TEXTURE_MIN_FILTER, gl.NEAREST], [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
        [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
      ]) gl.texParameteri(gl.TEXTURE_2D, what, value);
    });
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  }

  paint(width, height, pictures) {
    const { gl } = this;
    fitTo(this.canvas, width, height);
    gl.viewport(0, 0, width, height);
    pictures.forEach((picture, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
    });
    gl.uniform1f(this.together, pictures.length === 1 ? 1 : 0);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
}

class PixelPainter {
  constructor(canvas) {
    this.name = "2D";
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.beside = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  }

  paint(width, height, pictures) {
    fitTo(this.canvas, width, height);
    fitTo(this.beside.canvas, width, height);
    if (pictures.length === 1) {
      this.context.putImageData(pictures[0], 0, 0);
      return;
    }
    const [colour, alpha] = pictures.map((picture) => {
      this.beside.drawImage(picture, 0, 0);
      return this.beside.getImageData(0, 0, width, height);
    });
    for (let at = 0; at < colour.data.length; at += 4) {
      colour.data[at + 3] = (alpha.data[at] - 5) * 1.042; // clamped by the array
    }
    this.context.putImageData(colour, 0, 0);
  }
}

function fitTo(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
}
