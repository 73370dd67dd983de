import { provisionerMessages, type RouteRecord } from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { RpcWaker } from './rpc-waker.js';

it('asks the provisioner for the owner’s sandbox, in the name of who woke it and of the request that did', async () => {
  const calls: unknown[][] = [];
  const waker = new RpcWaker({
    call: (...args: unknown[]) => {
      calls.push(args);
      return Promise.resolve({} as never);
    },
  });
  const owner = newId('usr');
  const caller = {
    userId: newId('usr'),
    username: 'root',
    role: 'admin',
    keyId: newId('key'),
    credential: { kind: 'key', hash: 'secret' },
  } as const;
  const route = { sandboxId: newId('sbx'), owner, username: 'alice', name: 'nap', state: 'paused', ports: [] } as RouteRecord;
  const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
  await waker.wake(route, { caller, ip: '10.0.0.1', requestId: 'req_1', traceparent });
  const [[message, request]] = calls as [[unknown, object]];
  expect(message).toBe(provisionerMessages.ResumeSandbox);
  expect(provisionerMessages.ResumeSandbox.request.parse(request)).toEqual({
    userId: owner,
    name: 'nap',
    context: {
      commandId: expect.stringMatching(/^cmd_/),
      at: expect.any(String),
      actor: { type: 'admin', id: caller.userId, keyId: caller.keyId, ip: '10.0.0.1' },
      correlationId: 'req_1',
      traceparent,
    },
  });
  expect(JSON.stringify(request)).not.toContain('secret');
});
