// The console's page. It keeps no state of its own: what it shows is what the server says.

import { Cameras } from "./cameras.js";
import { Commands, keep, newId } from "./link.js";
import { Sound } from "./sound.js";

const $ = id => document.getElementById(id);
const SILENT_MS = 3000;  // without a state after which what is shown is no longer true
const ARM_MS = 500;  // after which what has changed takes a tap: not the second of a double tap on what was there before
const SAID_MS = 8000;  // for which an answer is shown
const PHASES = { reset: "reset the scene", episode: "the trial runs", verdict: "its verdict" };
const MARKS = { done: "✓", failed: "✗", active: "▸", pending: "·" };

let state = {}, heard = 0, estopId = "", shownQuestion = "", seen = {}, said = "", forget = 0;
const asked = new Set();  // buttons whose request has not been answered
const up = { state: false, commands: false };
const sound = new Sound($("sound"));
const cameras = new Cameras($("cameras"));
const commands = new Commands(open => { up.commands = open; connection(); });
keep("/state", { message: text => { heard = performance.now(); show(JSON.parse(text)); }, up: open => { up.state = open; connection(); } });
window.vipa = { sound, commands, beat: () => state.beat };  // for tests
history.replaceState(null, "", location.pathname);  // the token is kept by a cookie, not by the address

function connection() {
  const lost = !up.commands || !up.state;
  $("alert").hidden = !lost;
  $("alert").textContent = lost ? "Not connected: this page cannot stop the robot. Use the emergency stop of the robot itself." : "";
}

// what is said

function text(id, value) { if ($(id).textContent !== value) $(id).textContent = value; }

function list(id, values) {
  $(id).replaceChildren(...values.map(value => { const item = document.createElement("li"); item.textContent = value; return item; }));
}

function seconds(value, digits = 1) { return value === null || value === undefined ? "–" : `${value.toFixed(digits)} s`; }

function show(next) {
  state = next;
  const { motion, safety } = state, trial = state.trial;
  const episode = trial && trial.phase === "reset" ? null : state.episode;  // the last trial's
  const mode = motion ? motion.mode : "silent";
  text("mode", motion ? mode : "no robot is heard");
  $("mode").className = `badge ${mode}`;
  text("who", motion ? (motion.authority === "hidden" ? "" : motion.authority ? `${motion.authority} drives` : "nobody drives") : "");
  list("reasons", safety ? safety.stop_reasons : []);
  why();
  facts();
  showEpisode(episode);
  cameras.set(state.cameras);
  $("no-cameras").hidden = state.cameras.length > 0;
  enable("rearm", safety && !safety.armed);
  enable("home", safety && safety.armed && !motion.authority);  // refused while somebody drives
  enable("recover", state.robot && !state.robot.ready);
  lead();
  sounds(episode, safety);
  document.body.classList.toggle("set", state.led);
  document.body.classList.remove("unknown");
}

function enable(id, possible) { $(id).disabled = asked.has(id) || !possible; }

function why() {  // the line below the controls: why motion stands, else what was answered last
  const stopped = state.safety && !state.safety.armed;
  $("why").classList.toggle("stopped", !!stopped && !said);
  text("why", said || (stopped ? state.safety.stop_reasons.join("; ") || "stopped" : ""));
}

function tell(answer) {
  said = answer.message;
  clearTimeout(forget);
  forget = setTimeout(() => { said = ""; why(); }, SAID_MS);
  why();
}

function facts() {
  const { chunk, safety, robot } = state, rows = [];
  if (safety) rows.push(["gate", safety.estop ? "emergency stop" : safety.armed ? "armed" : "stopped"]);
  if (safety && safety.min_distance_m !== null) rows.push(["closest", `${(1e3 * safety.min_distance_m).toFixed(0)} mm, ${safety.min_distance_pair.replace("|", " – ")}`]);
  if (robot) rows.push(["robot", robot.ready ? `ready (${robot.mode})` : robot.message]);
  if (chunk) {
    rows.push(["chunk", chunk.seq ? `${chunk.seq}, step ${chunk.step}; ${chunk.committed} committed` : "none"]);
    rows.push(["its age", `${seconds(chunk.age_s, 2)}; of what it saw ${seconds(chunk.observation_age_s, 2)}`]);
    rows.push(["clamped, refused", `${chunk.clamps} ticks, ${chunk.refusals} chunks`]);
    if (state.motion.reasons.length) rows.push(["latest", state.motion.reasons[0]]);
  }
  if (state.jitter_ms !== null) rows.push(["control jitter", `${state.jitter_ms.toFixed(1)} ms (99 %)`]);
  $("facts").replaceChildren(...rows.flatMap(([name, value]) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name; dd.textContent = value;
    return [dt, dd];
  }));
}

function showEpisode(episode) {
  const { trial } = state;
  const words = trial ? trial.instruction : episode ? episode.instruction || episode.task : "no episode";
  text("task", trial ? `Trial ${trial.number} of ${trial.of}: ${words}` : words);
  const who = episode && episode.commander && episode.commander !== "hidden" ? ` · ${episode.commander}` : "";
  const end = episode && episode.outcome ? `: ${episode.outcome}` : "";
  text("clock", episode ? `${episode.phase}${end} · ${seconds(episode.elapsed_s)} of ${seconds(episode.time_limit_s, 0)}${who}` : trial ? PHASES[trial.phase] || "" : "");
  const rows = episode ? episode.subtasks : [];
  $("checklist").replaceChildren(...rows.map(row => {
    const item = document.createElement("li");
    item.className = row.status;
    const mark = document.createElement("i"), name = document.createElement("span"), time = document.createElement("time"), small = document.createElement("small");
    mark.textContent = MARKS[row.status]; name.textContent = row.name; small.textContent = row.evidence;
    time.textContent = row.t_done_s === null ? "" : seconds(row.t_done_s);
    item.append(mark, name, time, small);
    return item;
  }));
  const judged = episode && episode.phase === "running" && rows.some(r => r.status === "active" && r.evidence.includes("operator"));
  for (const button of document.querySelectorAll("[data-ask]")) button.disabled = asked.has(button.dataset.ask) || !judged;
}

function sounds(episode, safety) {
  const now = { phase: episode ? `${episode.episode_id} ${episode.phase}` : "", latch: safety && !safety.armed ? safety.latch : 0 };
  if (seen.phase !== undefined && now.phase !== seen.phase && episode) {
    if (episode.phase === "running") sound.play("start");
    if (episode.phase === "finished") { sound.play("stop"); runs(); }
  }
  if (seen.phase !== undefined && now.latch && now.latch !== seen.latch) sound.play("estop");
  seen = now;
}

// a set of trials

function lead() {
  const { placement, question } = state;
  text("lead-text", question ? question.text : placement ? placement.message : "");
  list("faults", placement && !question ? placement.faults : []);
  const key = question ? question.id : placement && placement.ready ? `placement ${placement.trial} ${placement.level} ${placement.faults.length > 0}` : "";
  document.body.classList.toggle("asking", key !== "");
  if (key === shownQuestion) return;
  shownQuestion = key;
  const form = $("answers");
  form.replaceChildren();
  form.onsubmit = event => event.preventDefault();
  if (question) ask(form, question);
  else if (key) reset(form, placement);
}

function answerButton(label, wish, kind = "") {
  const button = document.createElement("button"), id = newId();  // of this button: two taps are one answer
  button.type = "button"; button.textContent = label; button.className = kind; button.disabled = true;
  setTimeout(() => { button.disabled = false; }, ARM_MS);
  button.onclick = async () => {
    button.disabled = true;
    const answer = await commands.ask(typeof wish === "function" ? wish() : wish, id);
    tell(answer);
    if (!answer.done) shownQuestion = "";  // asked anew
  };
  return button;
}

function ask(form, question) {
  const wish = { ask: "answer", question: question.id }, choices = Object.entries(question.answers);
  for (const [answer, words] of choices) form.append(answerButton(answer ? words : `yes: ${words}`, { ...wish, text: answer }, answer ? "" : "good"));
  if (choices.length) return;
  const input = document.createElement("input");
  input.maxLength = 500;
  input.setAttribute("aria-label", question.text);
  const send = answerButton("continue", () => ({ ...wish, text: input.value }), "good");
  form.onsubmit = event => { event.preventDefault(); send.click(); };
  form.append(input, send);
}

function reset(form, placement) {
  form.append(answerButton(placement.faults.length ? "look again" : "the scene is set", { ask: "accept" }, "good"));
  if (placement.faults.length) form.append(answerButton("take a new reference", { ask: "new_reference" }), answerButton("go on all the same", { ask: "in_spite" }));
}

// what is asked

async function request(name, document_, id) {
  asked.add(name);
  show(state);
  tell(await commands.ask(document_, id));
  asked.delete(name);
  show(state);
}

function confirm(title, words, yes) {  // not modal, so that the emergency stop can be tapped
  return new Promise(resolve => {
    text("confirm-title", title); text("confirm-text", words); text("confirm-yes", yes);
    const dialog = $("confirm");
    if (dialog.open || !$("shade").hidden) { resolve(false); return; }
    dialog.returnValue = "no";
    dialog.onclose = () => { setTimeout(() => { $("shade").hidden = true; }, ARM_MS); resolve(dialog.returnValue === "yes"); };
    $("shade").hidden = false;
    dialog.show();
  });
}
$("shade").onclick = () => $("confirm").close("no");
document.addEventListener("keydown", event => { if (event.key === "Escape") $("confirm").close("no"); });

$("estop").onclick = async () => {  // one wish, however often it is tapped, until it is answered
  estopId ||= newId();
  $("estop").classList.add("asked");
  tell(await commands.ask({ ask: "estop" }, estopId));
  $("estop").classList.remove("asked");
  estopId = "";
};
$("rearm").onclick = async () => {
  const { latch, stop_reasons } = state.safety, id = newId();
  if (await confirm("Re-arm motion?", `It was stopped by: ${stop_reasons.join("; ") || "nothing known"}. Is the robot free, and everybody clear of it?`, "re-arm"))
    await request("rearm", { ask: "rearm", latch }, id);
};
$("home").onclick = async () => {
  const id = newId();
  if (await confirm("Home the robot?", "It moves to its home pose now, along a planned way.", "move home")) await request("home", { ask: "home" }, id);
};
$("recover").onclick = async () => {
  const id = newId();
  if (await confirm("Recover the robot's driver?", state.robot ? state.robot.message : "", "recover")) await request("recover", { ask: "recover" }, id);
};
for (const button of document.querySelectorAll("[data-ask]")) button.onclick = () => request(button.dataset.ask, { ask: button.dataset.ask });

// history

function called(name) {  // the time at which a run began; a set's trials have numbers
  const when = name.match(/^\d{4}(\d\d)(\d\d)-(\d\d)(\d\d)/);
  return when ? `${when[1]}-${when[2]} ${when[3]}:${when[4]}` : name;
}

async function runs() {
  try {
    const rows = await (await fetch("/runs")).json();
    $("no-runs").hidden = rows.length > 0;
    $("runs").replaceChildren(...rows.map(run => {
      const row = document.createElement("tr");
      const cells = [called(run.name), run.task, run.commander || "", run.outcome, `${run.done}/${run.of}`, seconds(run.duration_s)];
      row.append(...cells.map((value, i) => { const cell = document.createElement("td"); cell.textContent = value; if (i > 3) cell.className = "num"; if (i === 3) cell.className = run.outcome; return cell; }));
      const cell = document.createElement("td");
      if (run.report) { const link = document.createElement("a"); link.href = `/runs/${encodeURIComponent(run.name)}`; link.target = "_blank"; link.textContent = "report"; cell.append(link); }
      row.append(cell);
      return row;
    }));
  } catch { /* not connected: said elsewhere */ }
}
runs();
setInterval(runs, 30000);
setInterval(() => { if (performance.now() - heard > SILENT_MS && up.state) { $("mode").className = "badge silent"; text("mode", "the console is silent"); } }, 500);
