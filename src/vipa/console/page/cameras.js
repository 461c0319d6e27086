// Live cameras: the newest frame of each, acknowledged when it is shown.

import { keep } from "./link.js";

const LATE_MS = 1500;  // without a frame after which a picture is no longer live

export class Cameras {
  constructor(place) {
    this.place = place;
    this.figures = new Map();
    this.names = "[]";
    this.link = keep("/frames", { binary: true, message: data => this.show(data), up: open => { if (open) this.watch(); } });
    document.addEventListener("visibilitychange", () => this.watch());
    setInterval(() => this.check(), 500);
  }

  set(names) {
    const text = JSON.stringify(names);
    if (text === this.names) return;
    this.names = text;
    for (const [name, figure] of this.figures) if (!names.includes(name)) { figure.root.remove(); this.figures.delete(name); }
    for (const name of names) if (!this.figures.has(name)) this.figures.set(name, this.figure(name));
    this.place.append(...names.map(name => this.figures.get(name).root));  // in their order: what is wanted stands first
    this.watch();
  }

  figure(name) {
    const root = document.createElement("figure"), img = document.createElement("img"), caption = document.createElement("figcaption");
    const title = document.createElement("span"), age = document.createElement("span");
    title.textContent = name;
    img.alt = `camera ${name}`;
    caption.append(title, age);
    root.append(img, caption);
    root.classList.add("late");
    return { root, img, age, at: 0, url: "" };
  }

  watch() {  // a page that nobody sees wants no pictures
    this.link.send({ watch: document.hidden ? [] : JSON.parse(this.names) });
  }

  show(data) {
    const length = new DataView(data).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const figure = this.figures.get(header.camera);
    if (!figure) return;
    const url = URL.createObjectURL(new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
    figure.img.onload = figure.img.onerror = () => {
      if (figure.url) URL.revokeObjectURL(figure.url);
      figure.url = url;
      figure.at = performance.now();
      figure.age.textContent = header.age_ms === null ? "" : `${Math.max(0, Math.round(header.age_ms + (header.shown_ms || 0)))} ms`;
      figure.root.classList.remove("late");
      this.link.send({ got: header.camera });
    };
    figure.img.src = url;
  }

  check() {
    for (const figure of this.figures.values()) {
      const silent = performance.now() - figure.at;
      if (silent < LATE_MS) continue;
      figure.root.classList.add("late");
      figure.age.textContent = figure.at ? `no picture for ${Math.round(silent / 1000)} s` : "no picture yet";
    }
  }
}
