// What is being said of one item and not yet saved: kept in this browser, so that a reload keeps it.

import { own } from "./place.js";

export class Draft {
  constructor(task, pool, draw) {
    this.task = task;
    this.prefix = own(`draft-${pool}-`);
    this.draw = draw;
    this.begin(null);
  }

  // With what was said of the item before it was taken back, or with what a reload interrupted.
  begin(item, value) {
    this.item = item;
    this.past = []; // earlier values, for undo
    this.at = null; // what an editor has selected: a box's number, words
    this.value = value ?? this.kept(item) ?? (this.task === "regression" ? "" : []);
  }

  kept(item) {
    return item && JSON.parse(localStorage.getItem(this.prefix + item.id) ?? "null");
  }

  set(value) {
    this.past.push(this.value);
    this.change(value);
  }

  change(value) {
    this.value = value;
    localStorage.setItem(this.prefix + this.item.id, JSON.stringify(value));
    this.draw();
  }

  back() {
    if (!this.past.length) return false;
    if (this.task === "detection") this.at = null;
    this.change(this.past.pop());
    return true;
  }

  select(at) {
    this.at = at;
    this.draw();
  }

  toggle(name) {
    const without = this.value.filter((one) => one !== name);
    this.set(without.length < this.value.length ? without : [...this.value, name]);
  }

  forget() {
    localStorage.removeItem(this.prefix + this.item.id);
  }
}
