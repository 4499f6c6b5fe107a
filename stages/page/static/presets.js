// Expressions: poses, and movements as functions of time.

const both = (stem, value) => ({ [`${stem}_left`]: value, [`${stem}_right`]: value });
const wave = (ms, periodMs) => Math.sin((ms / periodMs) * 2 * Math.PI);

const SYLLABLES = "mouth_aaa mouth_iii mouth_ooo mouth_eee mouth_aaa mouth_uuu".split(" ");
const SYLLABLE_MS = 150;

export const PRESETS = [
  { name: "Smile", pose: { ...both("mouth_raised_corner", 1), ...both("eyebrow_happy", 0.8) } },
  {
    name: "Laugh",
    pose: {
      ...both("eye_happy_wink", 1), ...both("eyebrow_happy", 1), ...both("mouth_raised_corner", 1),
      mouth_aaa: 0.7, head_x: 0.25,
    },
  },
  {
    name: "Wink",
    pose: { eye_wink_right: 1, ...both("mouth_raised_corner", 0.9), eyebrow_raised_left: 0.5, neck_z: 0.3 },
  },
  {
    name: "Surprised",
    pose: {
      ...both("eye_surprised", 1), ...both("eyebrow_raised", 1), ...both("iris_small", 0.4),
      mouth_ooo: 0.7, head_x: 0.15,
    },
  },
  {
    name: "Sleepy",
    pose: { ...both("eye_relaxed", 0.9), ...both("eyebrow_lowered", 0.4), head_x: -0.4, neck_z: -0.3 },
  },
  {
    name: "Angry",
    pose: {
      ...both("eyebrow_angry", 1), ...both("eyebrow_lowered", 0.5), ...both("eye_unimpressed", 0.4),
      ...both("mouth_lowered_corner", 1), head_x: -0.2,
    },
  },
  {
    name: "Sad",
    pose: {
      ...both("eyebrow_troubled", 1), ...both("mouth_lowered_corner", 0.8),
      ...both("eye_raised_lower_eyelid", 0.4), head_x: -0.35,
    },
  },
  { name: "Talk", lastsMs: 2700, movement: talking },
  { name: "Dance", lastsMs: 4800, movement: dancing },
];

function talking(ms) {
  if (ms > 2700) return null;
  const open = Math.abs(wave(ms, 2 * SYLLABLE_MS)) * 0.9;
  const syllable = SYLLABLES[Math.floor(ms / SYLLABLE_MS) % SYLLABLES.length];
  return { [syllable]: open, head_x: 0.12 * wave(ms, 900), head_y: 0.18 * wave(ms, 1700) };
}

function dancing(ms) {
  if (ms > 4800) return null;
  const ease = Math.min(1, ms / 300, (4800 - ms) / 300);
  return {
    body_z: 0.6 * ease * wave(ms, 1200),
    neck_z: -0.5 * ease * wave(ms + 150, 1200),
    body_y: 0.5 * ease * wave(ms, 2400),
    head_x: 0.3 * ease * wave(ms, 600),
    ...both("eye_happy_wink", ease * (ms % 2400 > 1200 ? 1 : 0)),
    ...both("mouth_raised_corner", ease),
  };
}

export function blinking(ms) {
  if (ms > 260) return null;
  return both("eye_wink", ms < 80 ? ms / 80 : Math.min(1, (260 - ms) / 130));
}

export function showPresets(place, poser) {
  const buttons = PRESETS.map((preset, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = preset.name;
    button.title = `Key ${index + 1}`;
    const key = document.createElement("small");
    key.textContent = index + 1;
    button.append(key);
    button.addEventListener("click", () => applyPreset(poser, index));
    return button;
  });
  place.append(...buttons);
}

export function applyPreset(poser, index) {
  const preset = PRESETS[index];
  if (!preset || !poser.names.length) return;
  if (preset.movement) {
    poser.move(preset.movement);
  } else {
    poser.set(preset.pose, { keepOthers: false });
    poser.touch(2600);
  }
}
