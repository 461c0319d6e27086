// The console's page. It keeps no state of its own: what it shows is what the server says.

import { Cameras } from "./cameras.js";
import { Commands, keep, newId } from "./link.js";
import { Sound } from "./sound.js";

const $ = id => document.getElementById(id);
const SILENT_MS = 3000;  // without a state after which what is shown is no longer true
const MARKS = { done: "✓", failed: "✗", active: "▸", pending: "·" };

let state = {}, heard = 0, estopId = "", shownQuestion = "", seen = {};
const up = { state: false, commands: false };
const sound = new Sound($("sound"));
const cameras = new Cameras($("cameras"));
const commands = new Commands(open => { up.commands = open; connection(); });
keep("/state", { message: text => { heard = performance.now(); show(JSON.parse(text)); }, up: open => { up.state = open; connection(); } });
window.vipa = { sound, commands };  // for tests
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
  const { motion, safety, episode } = state;
  const mode = motion ? motion.mode : "silent";
  text("mode", motion ? mode : "no robot is heard");
  $("mode").className = `badge ${mode}`;
  text("who", motion ? (motion.authority === "hidden" ? "" : motion.authority ? `${motion.authority} drives` : "nobody drives") : "");
  list("reasons", safety ? safety.stop_reasons : []);
  facts();
  showEpisode(episode);
  cameras.set(state.cameras);
  $("no-cameras").hidden = state.cameras.length > 0;
  $("rearm").disabled = !safety || safety.armed;
  $("home").disabled = !safety || !safety.armed;
  $("recover").hidden = !state.robot || state.robot.ready;
  lead();
  sounds(episode, safety);
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
  text("task", episode ? episode.instruction || episode.task : "no episode");
  const who = episode && episode.commander && episode.commander !== "hidden" ? ` · ${episode.commander}` : "";
  const end = episode && episode.outcome ? `: ${episode.outcome}` : "";
  text("clock", episode ? `${episode.phase}${end} · ${seconds(episode.elapsed_s)} of ${seconds(episode.time_limit_s, 0)}${who}` : "");
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
  $("judge").hidden = !(episode && episode.phase === "running" && rows.some(r => r.status === "active" && r.evidence.includes("operator")));
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

// a set on a real cell

function lead() {
  const { trial, placement, question } = state;
  $("lead").hidden = !trial && !placement && !question;
  text("lead-title", trial ? `Trial ${trial.number} of ${trial.of}: ${trial.instruction}` : placement ? "Reset of the scene" : "Trials");
  const phases = { reset: "reset the scene", episode: "the trial runs", verdict: "its verdict" };
  text("lead-text", question ? question.text : placement ? placement.message : trial ? phases[trial.phase] || "" : "");
  list("faults", placement && !question ? placement.faults : []);
  const key = question ? question.id : placement ? `placement ${placement.level} ${placement.faults.length > 0}` : "";
  if (key === shownQuestion) return;
  shownQuestion = key;
  const form = $("answers");
  form.replaceChildren();
  form.onsubmit = event => event.preventDefault();
  if (question) ask(form, question);
  else if (placement) reset(form, placement);
}

function answerButton(label, asked, kind = "") {
  const button = document.createElement("button"), id = newId();  // of this button: two taps are one answer
  button.type = "button"; button.textContent = label; button.className = kind;
  button.onclick = async () => {
    button.disabled = true;
    const said = await commands.ask(typeof asked === "function" ? asked() : asked, id);
    text("said", said.message);
    if (!said.done) shownQuestion = "";  // asked anew
  };
  return button;
}

function ask(form, question) {
  const row = document.createElement("div"), document_ = { ask: "answer", question: question.id };
  row.className = "row";
  if (Object.keys(question.answers).length) {
    for (const [answer, words] of Object.entries(question.answers)) {
      const label = answer ? words : `yes: ${words}`;
      row.append(answerButton(label, { ...document_, text: answer }, answer ? "" : "good"));
    }
  } else {
    const input = document.createElement("input");
    input.maxLength = 500;
    input.setAttribute("aria-label", question.text);
    const send = answerButton("continue", () => ({ ...document_, text: input.value }), "good");
    form.onsubmit = event => { event.preventDefault(); send.click(); };
    form.append(input);
    row.append(send);
  }
  form.append(row);
}

function reset(form, placement) {
  const row = document.createElement("div");
  row.className = "row";
  row.append(answerButton(placement.faults.length ? "look again" : "the scene is set", { ask: "accept" }, "good"));
  if (placement.faults.length) row.append(answerButton("take a new reference", { ask: "new_reference" }), answerButton("go on all the same", { ask: "in_spite" }));
  form.append(row);
}

// what is asked

async function request(button, document_, id) {
  button.disabled = true;
  const said = await commands.ask(document_, id);
  text("said", said.message);
  button.disabled = false;
  show(state);
}

function confirm(title, words, yes) {
  return new Promise(resolve => {
    text("confirm-title", title); text("confirm-text", words); text("confirm-yes", yes);
    const dialog = $("confirm");
    dialog.returnValue = "no";
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    dialog.showModal();
  });
}

$("estop").onclick = async () => {  // one wish, however often it is tapped, until it is answered
  estopId ||= newId();
  $("estop").classList.add("asked");
  const said = await commands.ask({ ask: "estop" }, estopId);
  text("said", said.message);
  $("estop").classList.remove("asked");
  estopId = "";
};
$("rearm").onclick = async () => {
  const { latch, stop_reasons } = state.safety, id = newId();
  if (await confirm("Re-arm motion?", `It was stopped by: ${stop_reasons.join("; ") || "nothing known"}. Is the robot free, and everybody clear of it?`, "re-arm"))
    await request($("rearm"), { ask: "rearm", latch }, id);
};
$("home").onclick = async () => {
  const id = newId();
  if (await confirm("Home the robot?", "It moves to its home pose now, along a planned way.", "move home")) await request($("home"), { ask: "home" }, id);
};
$("recover").onclick = async () => {
  const id = newId();
  if (await confirm("Recover the robot's driver?", state.robot ? state.robot.message : "", "recover")) await request($("recover"), { ask: "recover" }, id);
};
for (const button of document.querySelectorAll("[data-ask]")) button.onclick = () => request(button, { ask: button.dataset.ask });

// history

async function runs() {
  try {
    const rows = await (await fetch("/runs")).json();
    $("no-runs").hidden = rows.length > 0;
    $("runs").replaceChildren(...rows.map(run => {
      const row = document.createElement("tr");
      const cells = [run.name.slice(4, 13).replace(/(\d\d)(\d\d)-(\d\d)(\d\d)/, "$1-$2 $3:$4"), run.task, run.commander || "", run.outcome, `${run.done}/${run.of}`, seconds(run.duration_s)];
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
