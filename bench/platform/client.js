import { Agent, request } from 'node:http';

/** One client with one connection that it keeps. One request at a time. */
export class Client {
  constructor(url, key) {
    this.url = url;
    this.key = key;
    this.agent = new Agent({ keepAlive: true, maxSockets: 1 });
  }

  as(key) {
    return new Client(this.url, key);
  }

  /** Rejects only when there is no answer. */
  send(method, path, body, headers = {}) {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const outgoing = request(`${this.url}${path}`, {
        method,
        agent: this.agent,
        timeout: 30_000,
        headers: {
          ...(this.key && { authorization: `Bearer ${this.key}` }),
          ...(payload && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
          ...headers,
        },
      });
      outgoing.once('timeout', () => outgoing.destroy(new Error(`${method} ${path}: no answer within 30 s`)));
      outgoing.once('error', reject);
      outgoing.once('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part) => (text += part));
        response.once('error', reject);
        response.once('end', () => resolve({ status: response.statusCode, text, json: () => JSON.parse(text) }));
      });
      outgoing.end(payload);
    });
  }

  /** The body of an answer that must have this status. */
  async expect(status, method, path, body, headers) {
    const reply = await this.send(method, path, body, headers);
    if (reply.status !== status) throw new Error(`${method} ${path}: expected ${status}, got ${reply.status}: ${reply.text.slice(0, 300)}`);
    return reply.text === '' ? undefined : reply.json();
  }

  close() {
    this.agent.destroy();
  }
}
