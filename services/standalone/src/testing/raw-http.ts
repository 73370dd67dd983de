import { connect } from 'node:net';

/** What comes back for these very bytes, until the other side closes; fails after `withinMs` milliseconds of waiting for that. */
export function sendRaw(url: string, bytes: string | Buffer, { withinMs = 15_000 } = {}): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    const late = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the connection was still open after ${withinMs} ms; it had said: ${text.slice(0, 200)}`));
    }, withinMs);
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
    socket
      .on('error', () => undefined)
      .on('close', () => {
        clearTimeout(late);
        resolve(text);
      });
  });
}
