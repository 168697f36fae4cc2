// Lists that come in pages: the newest first, older ones when somebody asks for them.

import { useEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
import { get } from "./api.js";
import { count, html, useBusy } from "./view.js";

const LARGEST = 1000; // a page

// The first page of a list, and `older()` for what comes after. `size`: of the first page; each time as many
// come as are there. Where `turn` changes all that is there is read anew.
export function useList(path, turn = 0, size = 200) {
  const [list, setList] = useState({ path: null, rows: null, next: null, problem: null });
  const [busy, doing] = useBusy();
  const now = useRef(0); // which reading is the last one
  const here = list.path === path ? list : { rows: null, next: null, problem: null };
  const read = async (rows, after, until) => {
    const mine = ++now.current;
    let next = after;
    try {
      do {
        const limit = Math.min(LARGEST, until - rows.length);
        const page = await get(`${path}${path.includes("?") ? "&" : "?"}limit=${limit}&after=${next}`);
        rows = [...rows, ...page.items];
        next = page.next;
      } while (next !== null && rows.length < until);
      if (mine === now.current) setList({ path, rows, next, problem: null });
    } catch (problem) {
      if (mine === now.current) setList({ ...here, path, problem });
    }
  };
  useEffect(() => {
    read([], "", Math.max(size, here.rows?.length ?? 0));
    return () => void (now.current += 1);
  }, [path, turn]);
  const older = () => doing(() => read(here.rows, here.next, 2 * here.rows.length));
  return { rows: here.rows, problem: here.problem, more: Boolean(here.next), size, busy, older };
}

// Rows of a list, and those of these ids that lie behind what is read of it.
export function useWith(rows, base, ids) {
  const [others, setOthers] = useState([]);
  const known = useMemo(() => new Set(rows?.map((one) => one.id)), [rows]);
  const missing = rows ? ids.filter((id) => id && !known.has(id) && !others.some((one) => one.id === id)) : [];
  useEffect(() => {
    let here = true;
    for (const id of missing) get(`${base}/${id}`).then((one) => here && setOthers((before) => [...before, one]), () => {});
    return () => void (here = false);
  }, [missing.join()]);
  return useMemo(() => rows && [...rows, ...others.filter((one) => ids.includes(one.id) && !known.has(one.id))], [rows, others, ids.join()]);
}

// How many are there, and a button for more. The part stays when the button goes, so that the focus does.
export function Older({ list, what, first = "newest" }) {
  const { rows, more } = list;
  if (!rows?.length) return null;
  return html`<section class="older" aria-label=${`How many ${what}`}>
    <p class="note" role="status">${more ? `The ${first} ${count(rows.length)} ${what}.` : `All ${what}: ${count(rows.length)}.`}</p>
    ${more && html`<button type="button" aria-busy=${list.busy} onClick=${list.older}>${first === "newest" ? "Older" : "More"} ${what}</button>`}
    ${list.problem && html`<p class="problem" role="alert">${list.problem.message}</p>`}
  </section>`;
}

// The same beside a field that offers them: only where there are more than a first page.
export function OlderOnes({ list, what }) {
  return (list.more || list.rows?.length > list.size) && html`<${Older} list=${list} what=${what} />`;
}
