// Sounds for start, stop and emergency stop. A browser plays none before somebody has asked for them.

const TONES = {  // [hertz, seconds] one after another
  start: [[523, .12], [784, .18]],
  stop: [[784, .12], [523, .18]],
  estop: [[880, .18], [440, .18], [880, .18], [440, .18], [880, .3]],
};

export class Sound {
  constructor(button) {
    this.button = button;
    this.context = null;
    this.played = [];
    button.onclick = () => this.toggle();
  }

  get on() { return this.context !== null; }

  toggle() {
    if (this.on) { this.context.close(); this.context = null; }
    else this.context = new AudioContext();
    this.button.textContent = this.on ? "sound on" : "sound off";
    this.button.setAttribute("aria-pressed", String(this.on));
    if (this.on) this.play("start");
  }

  play(name) {
    if (!this.on) return;
    this.played.push(name);
    let at = this.context.currentTime + .02;
    for (const [hertz, seconds] of TONES[name]) {
      const tone = this.context.createOscillator(), loud = this.context.createGain();
      tone.frequency.value = hertz;
      tone.type = name === "estop" ? "square" : "sine";
      loud.gain.setValueAtTime(.25, at);
      loud.gain.exponentialRampToValueAtTime(.01, at + seconds);
      tone.connect(loud).connect(this.context.destination);
      tone.start(at);
      tone.stop(at + seconds);
      at += seconds;
    }
  }
}
