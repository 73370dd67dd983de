import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { atEnd, tempDir, waitFor } from '@sandlot/testing';
import { WebSocket } from 'ws';

export const chromiumMissing =
  spawnSync('which', ['chromium']).status === 0 ? undefined : 'Chromium is not installed; on Debian: apt-get install chromium';

interface Message {
  id?: number;
  method?: string;
  sessionId?: string;
  params: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** A real browser, over its DevTools protocol, of which a test needs four methods. */
export class Browser {
  private readonly waiting = new Map<number, (message: Message) => void>();
  private readonly listeners = new Set<(message: Message) => void>();
  private lastId = 0;

  private constructor(
    private readonly process: ChildProcess,
    private readonly socket: WebSocket,
  ) {
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Message;
      if (message.id === undefined) for (const listener of this.listeners) listener(message);
      else this.waiting.get(message.id)?.(message);
    });
  }

  static async start(): Promise<Browser> {
    const flags = [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking',
      '--remote-debugging-port=0', '--host-resolver-rules=MAP *.localhost 127.0.0.1', `--user-data-dir=${await tempDir()}`,
    ]; // prettier-ignore
    const child = spawn('chromium', flags, { stdio: ['ignore', 'ignore', 'pipe'] });
    atEnd(() => void child.kill('SIGKILL'));
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
    const url = await waitFor(() => /DevTools listening on (ws:\S+)/.exec(said)?.[1], { within: 60_000, describe: 'Chromium to start' });
    const socket = new WebSocket(url);
    await once(socket, 'open');
    return new Browser(child, socket);
  }

  async page(): Promise<Page> {
    const { targetId } = await this.call('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true });
    await this.call('Page.enable', {}, sessionId as string);
    return new Page(this, targetId as string, sessionId as string);
  }

  call(method: string, params: Record<string, unknown>, sessionId?: string): Promise<Record<string, unknown>> {
    const id = ++this.lastId;
    return new Promise((done, failed) => {
      this.waiting.set(id, ({ result, error }) => (error ? failed(new Error(`${method}: ${error.message}`)) : done(result!)));
      this.socket.send(JSON.stringify({ id, method, params, sessionId }));
    });
  }

  listen(listener: (message: Message) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  async close(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.socket.terminate();
    this.process.kill('SIGKILL');
    await ended;
  }
}

export class Page {
  constructor(
    private readonly browser: Browser,
    private readonly targetId: string,
    private readonly sessionId: string,
  ) {}

  /** Opens it as somebody would who types the address; `headers` go with the document alone, and with nothing that it asks for. */
  async open(url: string, headers?: Record<string, string>): Promise<void> {
    let loaded = false;
    const unlisten = this.browser.listen(({ method, sessionId, params }) => {
      if (sessionId !== this.sessionId) return;
      if (method === 'Page.loadEventFired') loaded = true;
      if (method !== 'Fetch.requestPaused') return;
      const request = params['request'] as { headers: Record<string, string> };
      const sent = Object.entries({ ...request.headers, ...headers }).map(([name, value]) => ({ name, value }));
      void this.call('Fetch.continueRequest', { requestId: params['requestId'], headers: sent });
    });
    if (headers) await this.call('Fetch.enable', { patterns: [{ resourceType: 'Document' }] });
    await this.call('Page.navigate', { url });
    await waitFor(() => loaded, { within: 30_000, describe: `${url} to load` });
    if (headers) await this.call('Fetch.disable', {});
    unlisten();
  }

  /** What an expression comes to in the page; a promise is awaited. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return (result as { value: unknown }).value;
  }

  async info(): Promise<{ title: string; url: string }> {
    const { targetInfo } = await this.browser.call('Target.getTargetInfo', { targetId: this.targetId });
    return targetInfo as { title: string; url: string };
  }

  private call(method: string, params: Record<string, unknown>): Promise<Record<string, unknown>> {
    return this.browser.call(method, params, this.sessionId);
  }
}
