// What is lost on the way, or meets a server that starts again, is asked again by itself.

const PASSING = [409, 429, 502, 503, 504]; // these two only where the answer says when to come back
const ASKED = [409, 429];
const FIRST = 500; // milliseconds
const LONGEST = 8000;
const LATE = 1500; // a request that comes through at the second try is not spoken of

const troubles = new Map(); // by request that is tried again: why

// Whether the same may go well when it is asked again.
export function passes(problem) {
  if (!PASSING.includes(problem.status)) return problem.status === 0;
  return !ASKED.includes(problem.status) || problem.after > 0;
}

// Tries until it goes well, until a refusal, or (in milliseconds) until it took too long.
export async function patiently(action, { signal, most = Infinity } = {}) {
  const token = {};
  const began = performance.now();
  try {
    for (let tried = 0; ; tried += 1) {
      try {
        return await action();
      } catch (problem) {
        const pause = Math.max(pauseOf(tried), 1000 * (problem.after ?? 0));
        if (signal?.aborted || !passes(problem) || performance.now() + pause - began > most) throw problem;
        note(token, problem);
        await wait(pause, signal);
      }
    }
  } finally {
    note(token, null);
  }
}

// Twice as long each time, shortened by chance so that tabs do not come back all at once.
export function pauseOf(tried) {
  return Math.min(LONGEST, FIRST * 2 ** tried) * (1 - Math.random() / 2);
}

// Also ends when the browser is back in its network.
export function wait(pause, signal) {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      removeEventListener("online", over);
      signal?.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, pause);
    addEventListener("online", over);
    signal?.addEventListener("abort", over);
  });
}

export function note(token, problem) {
  if (problem) troubles.set(token, { problem, since: troubles.get(token)?.since ?? performance.now() });
  else if (!troubles.delete(token)) return;
  dispatchEvent(new Event("querist-trouble"));
}

// Why something that was asked is not there yet; null where all is well.
export function trouble() {
  const late = [...troubles.values()].find(({ since }) => performance.now() - since >= LATE);
  return late?.problem ?? null;
}

// Tells when that changes; ends what it began.
export function onTrouble(listener) {
  let timer = null;
  const look = () => {
    clearTimeout(timer);
    listener(trouble());
    if (troubles.size && !trouble()) timer = setTimeout(look, LATE / 2);
  };
  addEventListener("querist-trouble", look);
  look();
  return () => {
    clearTimeout(timer);
    removeEventListener("querist-trouble", look);
  };
}
