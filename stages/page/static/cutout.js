// Cuts a plain background out: what is connected to the border and of much the same colour.

const MOST_SIDE = 1536; // larger pictures are made smaller first
const NEAR = 34; // difference of colour, summed over the channels, that counts as the same
const SOFT = 60; // up to this one it fades

export function isOpaque(picture) {
  const { data } = pixelsOf(picture, Math.min(1, 128 / Math.max(picture.width, picture.height)));
  for (let at = 3; at < data.length; at += 4) if (data[at] < 250) return false;
  return true;
}

export function cutOut(picture) {
  const scale = Math.min(1, MOST_SIDE / Math.max(picture.width, picture.height));
  const pixels = pixelsOf(picture, scale);
  flood(pixels, borderColour(pixels));
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  const small = document.createElement("canvas");
  small.width = pixels.width;
  small.height = pixels.height;
  small.getContext("2d").putImageData(pixels, 0, 0);
  canvas.getContext("2d").drawImage(small, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// Where the figure is: the box of all that is not transparent.
export function figureOf(picture) {
  const scale = Math.min(1, 512 / Math.max(picture.width, picture.height));
  const { data, width, height } = pixelsOf(picture, scale);
  const box = { left: width, top: height, right: 0, bottom: 0 };
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    if (data[4 * pixel + 3] < 40) continue;
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x + 1);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y + 1);
  }
  if (box.right === 0) return { left: 0, top: 0, right: picture.width, bottom: picture.height };
  return Object.fromEntries(Object.entries(box).map(([side, at]) => [side, at / scale]));
}

function pixelsOf(picture, scale) {
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

// The median of the upper corners: a figure often touches the lower border.
function borderColour({ data, width }) {
  const at = [0, 1, 2, width - 3, width - 2, width - 1].map((x) => 4 * x);
  return [0, 1, 2].map((channel) => at.map((start) => data[start + channel]).sort((a, b) => a - b)[3]);
}

function flood({ data, width, height }, [red, green, blue]) {
  const seen = new Uint8Array(width * height);
  const stack = [];
  const visit = (pixel) => {
    if (seen[pixel]) return;
    seen[pixel] = 1;
    const at = 4 * pixel;
    const away =
      Math.abs(data[at] - red) + Math.abs(data[at + 1] - green) + Math.abs(data[at + 2] - blue);
    if (away > SOFT) return;
    data[at + 3] = away <= NEAR ? 0 : (255 * (away - NEAR)) / (SOFT - NEAR);
    if (away <= NEAR) stack.push(pixel);
  };
  for (let x = 0; x < width; x += 1) visit(x);
  for (let y = 0; y < height; y += 1) {
    visit(y * width);
    visit(y * width + width - 1);
  }
  while (stack.length) {
    const pixel = stack.pop();
    const x = pixel % width;
    if (x > 0) visit(pixel - 1);
    if (x < width - 1) visit(pixel + 1);
    if (pixel >= width) visit(pixel - width);
    if (pixel < width * (height - 1)) visit(pixel + width);
  }
}
