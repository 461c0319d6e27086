// The sockets of the console: each comes back by itself, and nothing is sent late.

const AGAIN_MS = 1000;

// A socket that is opened again whenever it is lost. up(open): it is there, or is not.
export function keep(path, { message, up = () => {}, binary = false }) {
  const link = { socket: null };
  const open = () => {
    const socket = new WebSocket(`ws://${location.host}${path}`);
    if (binary) socket.binaryType = "arraybuffer";
    socket.onopen = () => { link.socket = socket; up(true); };
    socket.onmessage = event => message(event.data, socket);
    socket.onclose = () => { link.socket = null; up(false); setTimeout(open, AGAIN_MS); };
  };
  link.send = document => {
    if (!link.socket || link.socket.readyState !== 1) return false;
    link.socket.send(JSON.stringify(document));
    return true;
  };
  open();
  return link;
}

// An id that no other request has. (crypto.randomUUID wants TLS.)
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), b => b.toString(16).padStart(2, "0")).join("");
}

// Requests to the server, each under an id: the same id twice is done once. An emergency stop is sent again until it is answered, whatever
// happens to the connection; everything else fails at once without one.
export class Commands {
  constructor(up) {
    this.waiting = new Map();
    this.link = keep("/commands", { message: text => this.answered(JSON.parse(text)), up: open => { up(open); this.again(open); } });
  }

  ask(document, id = newId()) {
    const standing = this.waiting.get(id);
    if (standing) return standing.promise;
    const request = { document: { ...document, id } };
    request.promise = new Promise(resolve => { request.resolve = resolve; });
    const sent = this.link.send(request.document);
    if (!sent && document.ask !== "estop") return Promise.resolve({ done: false, message: "not connected: nothing was asked" });
    this.waiting.set(id, request);
    return request.promise;
  }

  again(open) {
    for (const [id, request] of this.waiting) {
      if (open) this.link.send(request.document);  // its answer may be there already
      else if (request.document.ask !== "estop") {
        this.waiting.delete(id);
        request.resolve({ done: false, message: "connection lost: it is not known whether it was done" });
      }
    }
  }

  answered(answer) {
    this.waiting.get(answer.id)?.resolve(answer);
    this.waiting.delete(answer.id);
  }
}
