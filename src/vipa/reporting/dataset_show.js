"use strict";
// One clock an episode: the frame that slider, videos, plot cursors and numbers show. While it plays, the first video leads.

class Clock {
  constructor(article) {
    const data = JSON.parse(article.querySelector(".data").textContent);
    this.fps = data.fps; this.length = data.length; this.series = data.series;
    this.videos = [...article.querySelectorAll("video")];
    this.seekBar = article.querySelector(".seek");
    this.playButton = article.querySelector(".play");
    this.now = article.querySelector(".now");
    this.speed = article.querySelector(".speed");
    this.plots = [...article.querySelectorAll(".plot")].map(element => new Plot(element, this));
    this.frame = 0; this.playing = false;
    this.seekBar.addEventListener("input", () => this.go(Number(this.seekBar.value)));
    this.playButton.addEventListener("click", () => this.playing ? this.pause() : this.play());
    this.speed.addEventListener("change", () => this.videos.forEach(v => { v.playbackRate = Number(this.speed.value); }));
    this.show(0);
  }

  time(frame) { return (frame + 0.5) / this.fps; }  // the middle of a frame, so that rounding shows no other

  go(frame) {
    this.pause();
    this.show(Math.max(0, Math.min(this.length - 1, Math.round(frame))));
    this.videos.forEach(v => { v.currentTime = this.time(this.frame); });
  }

  play() {
    if (this.frame >= this.length - 1) this.go(0);
    this.playing = true;
    this.playButton.textContent = "❚❚"; this.playButton.setAttribute("aria-label", "pause");
    this.began = performance.now() - 1000 * this.frame / this.fps / Number(this.speed.value);
    this.videos.forEach(v => { v.playbackRate = Number(this.speed.value); v.currentTime = this.time(this.frame); v.play().catch(() => {}); });
    const tick = () => {
      if (!this.playing) return;
      const leader = this.videos[0];
      const seconds = leader && !leader.error ? leader.currentTime : (performance.now() - this.began) / 1000 * Number(this.speed.value);
      const frame = Math.min(this.length - 1, Math.floor(seconds * this.fps + 1e-6));
      if (frame !== this.frame) this.show(frame);
      if (frame >= this.length - 1) { this.go(this.length - 1); return; }
      for (const v of this.videos.slice(1))
        if (Math.abs(v.currentTime - seconds) > 1.5 / this.fps && !v.seeking) v.currentTime = seconds;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.playButton.textContent = "▶"; this.playButton.setAttribute("aria-label", "play");
    this.videos.forEach(v => { v.pause(); v.currentTime = this.time(this.frame); });
  }

  show(frame) {
    this.frame = frame;
    this.seekBar.value = frame;
    this.now.textContent = `${(frame / this.fps).toFixed(2)} s · frame ${frame} of ${this.length}`;
    this.plots.forEach(plot => plot.show(frame));
  }
}

class Plot {
  constructor(element, clock) {
    this.clock = clock;
    this.series = JSON.parse(element.dataset.series).map(name => clock.series[name]);
    this.svg = element.querySelector("svg");
    if (!this.svg) return;
    this.cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
    this.cursor.setAttribute("class", "cursor");
    this.cursor.setAttribute("y1", PLOT.top); this.cursor.setAttribute("y2", PLOT.height - PLOT.bottom);
    this.svg.append(this.cursor);
    const keys = [...element.querySelectorAll(".key")];
    this.values = this.series.map((_, k) => (keys[k] ?? element.querySelector("figcaption")).appendChild(document.createElement("i")));
    const seek = event => {
      const box = this.svg.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * PLOT.width;
      clock.go((x - PLOT.left) / (PLOT.width - PLOT.left - PLOT.right) * (clock.length - 1));
    };
    this.svg.addEventListener("pointerdown", event => { this.svg.setPointerCapture(event.pointerId); seek(event); });
    this.svg.addEventListener("pointermove", event => { if (event.buttons) seek(event); });
  }

  show(frame) {
    if (!this.svg) return;
    const x = PLOT.left + frame / Math.max(1, this.clock.length - 1) * (PLOT.width - PLOT.left - PLOT.right);
    this.cursor.setAttribute("x1", x); this.cursor.setAttribute("x2", x);
    this.series.forEach((values, k) => { this.values[k].textContent = values[frame].toFixed(3); });
  }
}

const clocks = new Map(), buttons = [...document.querySelectorAll("#choose button")];
let current = null;

function open(index) {
  const article = document.getElementById(`episode-${index}`);
  if (!article) return;
  if (current) current.pause();
  document.querySelectorAll(".episode").forEach(other => { other.hidden = other !== article; });
  buttons.forEach(button => button.setAttribute("aria-pressed", String(button.dataset.episode === String(index))));
  if (!clocks.has(index)) clocks.set(index, new Clock(article));
  current = clocks.get(index);
  history.replaceState(null, "", `#${index}`);
}

buttons.forEach(button => button.addEventListener("click", () => open(button.dataset.episode)));
document.addEventListener("keydown", event => {
  if (!current || event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
  if (event.key === " ") { if (current.playing) current.pause(); else current.play(); }
  else if (event.key in steps) {
    const to = current.frame + steps[event.key];
    current.go(Math.max(0, Math.min(current.length - 1, to)));
  }
  else return;
  event.preventDefault();
});
const wanted = location.hash.slice(1);
open(buttons.some(button => button.dataset.episode === wanted) ? wanted : buttons[0].dataset.episode);
