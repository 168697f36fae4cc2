// Files that the server makes: fetched with the key, then handed to the browser.

import { useState } from "./vendor/hooks.js";
import { download } from "./api.js";
import { html, useBusy } from "./view.js";

const FORMATS = ["csv", "jsonl", "parquet", "label_studio", "coco", "yolo", "conll", "huggingface", "ground_truth"];
const FOLDERS = ["yolo", "huggingface"]; // these come as an archive

export function Download({ path, name, what }) {
  const [format, setFormat] = useState("csv");
  const [said, setSaid] = useState("");
  const [busy, doing] = useBusy();
  const fetchIt = async () => {
    setSaid("");
    try {
      const url = URL.createObjectURL(await download(path(format)));
      const link = document.createElement("a");
      link.href = url;
      link.download = `${name}.${format}${FOLDERS.includes(format) ? ".zip" : ""}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (problem) {
      setSaid(problem.message);
    }
  };
  return html`<span class="download"><label>as <select value=${format} onChange=${(event) => setFormat(event.target.value)}>
      ${FORMATS.map((one) => html`<option key=${one}>${one}</option>`)}</select></label>
    <button aria-busy=${busy} onClick=${() => doing(fetchIt)}>${what}</button></span>
    ${said && html`<p class="problem" role="alert">${said}</p>`}`;
}
