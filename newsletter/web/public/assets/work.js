// Does the work that a form asks for while its visitor types: finds the number with which SHA-256 of `stamp:number`
// begins with enough zero bits. In slices of some milliseconds, so that the page stays alive. A form that is sent before
// it is done waits for it; without this file the page asks the visitor to wait instead (guards.py).

const SLICE = 12; // milliseconds

const ROOTS = new Uint32Array(64); // of the first 64 primes: FIPS 180-4 section 4.2.2
const START = new Uint32Array(8); // section 5.3.3
for (let candidate = 2, found = 0; found < 64; candidate++) {
  let prime = true;
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) prime &&= candidate % divisor !== 0;
  if (!prime) continue;
  if (found < 8) START[found] = (Math.sqrt(candidate) % 1) * 2 ** 32;
  ROOTS[found++] = (Math.cbrt(candidate) % 1) * 2 ** 32;
}

const turn = (word, by) => (word >>> by) | (word << (32 - by));
const schedule = new Uint32Array(64);

/** One block of 64 bytes goes into the state (FIPS 180-4 section 6.2.2). */
function take(state, block) {
  for (let i = 0; i < 16; i++) schedule[i] = block[i];
  for (let i = 16; i < 64; i++) {
    const early = schedule[i - 15];
    const late = schedule[i - 2];
    const one = turn(early, 7) ^ turn(early, 18) ^ (early >>> 3);
    const two = turn(late, 17) ^ turn(late, 19) ^ (late >>> 10);
    schedule[i] = schedule[i - 16] + one + schedule[i - 7] + two;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const choice = (e & f) ^ (~e & g);
    const first = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + choice + ROOTS[i] + schedule[i]) | 0;
    const most = (a & b) ^ (a & c) ^ (b & c);
    const second = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + most) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] += word));
}

/** The first word of SHA-256 of an ASCII text. */
export function firstWord(text) {
  const bytes = new Uint8Array(((text.length + 72) >> 6) << 6);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  bytes[text.length] = 0x80;
  const view = new DataView(bytes.buffer);
  view.setUint32(bytes.length - 4, text.length * 8);
  const state = START.slice();
  const block = new Uint32Array(16);
  for (let at = 0; at < bytes.length; at += 64) {
    for (let i = 0; i < 16; i++) block[i] = view.getUint32(at + i * 4);
    take(state, block);
  }
  return state[0];
}

/** The number that proves the work for a stamp; 24 bits are the most that is asked for. */
export async function prove(stamp, bits) {
  for (let number = 0; ; ) {
    const end = performance.now() + SLICE;
    while (performance.now() < end) {
      for (let i = 0; i < 64; i++, number++) {
        if (bits === 0 || firstWord(`${stamp}:${number}`) >>> (32 - bits) === 0) return number;
      }
    }
    await new Promise((resume) => setTimeout(resume));
  }
}

function guard(stamp) {
  const form = stamp.form;
  const busy = form.querySelector("[data-busy]");
  const button = [...form.querySelectorAll("button")].at(-1);
  // Beside the button that was pressed: the beginning of a long form is out of sight, and nothing would seem to happen.
  if (busy && button) (button.parentElement === form ? button : button.parentElement).after(busy);
  let ready = false;
  let pressed = null; // the button that waits, once there is one
  const patient = new Promise((resume) => setTimeout(resume, Number(stamp.dataset.patience) * 1000 + 500));
  Promise.all([prove(stamp.value, Number(stamp.dataset.work)), patient]).then(([number]) => {
    form.elements["form-proof"].value = number;
    ready = true;
    if (pressed) form.requestSubmit(pressed);
  });
  form.addEventListener("submit", (event) => {
    if (ready) return;
    event.preventDefault();
    pressed = event.submitter ?? form.querySelector("button");
    if (busy) busy.textContent = busy.dataset.busy;
  });
}

document.querySelectorAll("input[data-work]").forEach(guard);
