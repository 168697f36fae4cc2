// What an item is, as it came: a picture, a sound or a text.

import { useState } from "./vendor/hooks.js";
import { keyed } from "./shortcuts.js";
import { html } from "./view.js";

export async function shown(found) {
  const [kind] = found.type.split("/");
  if (kind === "image" || kind === "audio") return { url: URL.createObjectURL(found), sound: kind === "audio" };
  // Not text(), which leaves out a mark at the beginning: spans count from the first character.
  return { text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(await found.arrayBuffer()) };
}

// Plays from where it was, or stops there; from the beginning when it was at its end.
export function toggle(player) {
  if (!player) return;
  if (player.paused) player.play().catch(() => {}); // what cannot be played says so itself
  else player.pause();
}

// A sound with the browser's player. `player`: a ref to it, for who has a key; `key`: that one.
export function Sound({ url, name, player, playKey }) {
  const [playing, setPlaying] = useState(false);
  const [failed, setFailed] = useState(false);
  const note = (event) => setPlaying(!event.target.paused && !event.target.ended);
  if (failed) return html`<p class="problem" role="alert">This browser cannot play the sound.</p>`;
  return html`<div class="sound"><audio ref=${player} controls preload="auto" src=${url} aria-label=${`Item ${name}`}
      onPlay=${note} onPause=${note} onEnded=${note} onError=${() => setFailed(true)}></audio>
    <button onClick=${() => toggle(player.current)}>${playKey && keyed(playKey)}${playing ? "Pause" : "Play"}</button></div>`;
}
