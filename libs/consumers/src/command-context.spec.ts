import { newId } from '@sandlot/kernel';
import { contextFrom } from './index.js';

describe('a command that an event brings about', () => {
  const event = {
    id: newId('evt'),
    commandId: newId('cmd'),
    correlationId: 'req-1',
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  };
  const clock = { now: () => new Date('2026-11-21T10:00:00.000Z') };

  it('has the same id each time the event is handled, and another for each thing that it does', () => {
    const first = contextFrom(event, { service: 'auth', what: 'disable-keys' });
    expect(contextFrom(event, { service: 'auth', what: 'disable-keys' }).commandId).toBe(first.commandId);
    expect(contextFrom(event, { service: 'auth', what: 'other' }).commandId).not.toBe(first.commandId);
    expect(contextFrom(event, { service: 'audit', what: 'disable-keys' }).commandId).not.toBe(first.commandId);
    expect(contextFrom({ ...event, id: newId('evt') }, { service: 'auth', what: 'disable-keys' }).commandId).not.toBe(first.commandId);
  });

  it('belongs to the same request and names the event as its cause', () => {
    expect(contextFrom(event, { service: 'auth', what: 'disable-keys', clock })).toEqual({
      commandId: expect.stringMatching(/^cmd_/),
      at: '2026-11-21T10:00:00.000Z',
      actor: { type: 'service', id: 'auth' },
      correlationId: 'req-1',
      causationId: event.id,
      traceparent: event.traceparent,
    });
  });
});
