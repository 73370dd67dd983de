import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { newId } from '@sandlot/kernel';
import { fromHeaders, hashEvent, headerValues, parseHeaders, toHeaders, type Envelope } from './envelope.js';
import { aggregateRef, refOf, subjectOf } from './subjects.js';

const envelope: Envelope = {
  id: newId('evt'),
  type: 'user.created.v1',
  aggregate: aggregateRef('user', newId('usr')),
  version: 7,
  commandId: newId('cmd'),
  previousHash: 'q'.repeat(43),
  time: '2026-11-21T07:00:00.000Z',
  actor: { type: 'user', id: 'usr_1', keyId: 'key_1', ip: '::1' },
  correlationId: 'req-1',
  causationId: 'evt_1',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
};
const subject = subjectOf(envelope.aggregate);
const roundTrip = (each: Envelope) => {
  const headers = new Map(toHeaders(each));
  return fromHeaders(
    subjectOf(each.aggregate),
    headerValues((name) => headers.get(name)),
  );
};

describe('the envelope', () => {
  it('is CloudEvents 1.0 in binary mode', () => {
    expect(Object.fromEntries(toHeaders(envelope))).toEqual({
      'ce-specversion': '1.0',
      'ce-id': envelope.id,
      'ce-source': '/sandlot/auth',
      'ce-type': 'dev.sandlot.user.created.v1',
      'ce-subject': envelope.aggregate.id,
      'ce-time': envelope.time,
      'ce-version': '7',
      'ce-commandid': envelope.commandId,
      'ce-previoushash': envelope.previousHash,
      'ce-authtype': 'user',
      'ce-authid': 'usr_1',
      'ce-authkeyid': 'key_1',
      'ce-authip': '::1',
      'ce-correlationid': 'req-1',
      'ce-causationid': 'evt_1',
      'ce-traceparent': envelope.traceparent,
      'content-type': 'application/json',
    });
  });

  it('leaves out what there is not', () => {
    const { causationId: _c, traceparent: _t, ...rest } = envelope;
    const bare: Envelope = { ...rest, previousHash: '', actor: { type: 'service', id: 'auth' } };
    expect(toHeaders(bare).map(([name]) => name)).not.toEqual(expect.arrayContaining(['ce-causationid']));
    expect(roundTrip(bare)).toEqual(bare);
  });

  it('comes back whole, whatever its texts', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit: 'grapheme', minLength: 1 }), (correlationId, id) => {
        const odd: Envelope = { ...envelope, correlationId, actor: { ...envelope.actor, id } };
        expect(roundTrip(odd)).toEqual(odd);
        for (const [, value] of toHeaders(odd)) expect(value).toMatch(/^[!#-~]+$/);
      }),
    );
  });

  it.each([
    ['Zoë', 'Zo%C3%AB'],
    ['100 %', '100%20%25'],
    ['"\'', "%22'"],
    ['a\r\nb', 'a%0D%0Ab'],
    ['🏖', '%F0%9F%8F%96'],
    ['half \ud83c', 'half%20%EF%BF%BD'],
  ])('writes %j as %s', (text, encoded) => {
    expect(new Map(toHeaders({ ...envelope, correlationId: text })).get('ce-correlationid')).toBe(encoded);
  });

  it.each([
    ['ce-id', ''],
    ['ce-type', 'com.example.user.created'],
    ['ce-version', '0'],
    ['ce-version', '1.5'],
    ['ce-version', 'x'],
    ['ce-authid', ''],
    ['ce-correlationid', '%E0%A4%A'],
  ])('is refused with %s: %j', (name, value) => {
    const headers = new Map([...toHeaders(envelope), [name, value]]);
    expect(() =>
      fromHeaders(
        subject,
        headerValues((each) => headers.get(each)),
      ),
    ).toThrow();
  });
});

describe('a header block', () => {
  const block = (lines: readonly (readonly [string, string])[]) =>
    `NATS/1.0\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
  const headers = toHeaders(envelope);
  const values = headerValues((name) => new Map(headers).get(name));

  it('gives what stands in it, in whatever order, among whatever else', () => {
    expect(parseHeaders(block(headers))).toEqual(values);
    expect(parseHeaders(block([...headers].reverse()))).toEqual(values);
    expect(parseHeaders(block([['Nats-Msg-Id', 'x'], ['ce-unknown', 'x'], ...headers, ['cx', 'y']]))).toEqual(values);
    expect(parseHeaders(block(headers).replaceAll(': ', ':'))).toEqual(values);
  });

  it('counts the first where a header stands twice, and none where it is empty', () => {
    expect(parseHeaders(block([...headers, ['ce-id', 'other']]))).toEqual(values);
    expect(parseHeaders(block([['ce-id', '']]))).toEqual(headerValues(() => undefined));
    expect(parseHeaders('NATS/1.0\r\n\r\n')).toEqual(headerValues(() => undefined));
    expect(parseHeaders('')).toEqual(headerValues(() => undefined));
  });
});

describe('the hash of an event', () => {
  const headers = toHeaders(envelope);
  const body = Buffer.from('{"username":"alice"}');
  const hashOf = (fields: Iterable<readonly [string, string]>, bytes: Uint8Array = body, on = subject) => {
    const map = new Map(fields);
    return hashEvent(
      on,
      headerValues((name) => map.get(name)),
      bytes,
    );
  };
  const hash = hashOf(headers);

  it('is the same for the same record, and never changes with the code', () => {
    expect(hashOf(headers)).toBe(hash);
    const fixed = toHeaders({
      ...envelope,
      id: 'evt_01k9zq4m3te1sbr8v0yk2n6d5x' as Envelope['id'],
      commandId: 'cmd_01k9zq4m3te1sbr8v0yk2n6d5x' as Envelope['commandId'],
      aggregate: aggregateRef('user', 'usr_01k9zq4m3te1sbr8v0yk2n6d5x'),
    });
    expect(hashOf(fixed, body, 'sandlot.auth.user.usr_01k9zq4m3te1sbr8v0yk2n6d5x')).toBe('ybXjdqzDDATm8GKDMDf4QJmJLeRwARu8MjF9uGEyT78');
  });

  it.each(headers.map(([name]) => name))('differs when %s is changed or missing', (name) => {
    expect(hashOf(headers.map(([each, value]) => [each, each === name ? `${value}x` : value]))).not.toBe(hash);
    expect(hashOf(headers.filter(([each]) => each !== name))).not.toBe(hash);
  });

  it('differs when any bit of the body is', () => {
    for (let bit = 0; bit < body.length * 8; bit += 1) {
      const changed = Buffer.from(body);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(hashOf(headers, changed)).not.toBe(hash);
    }
  });

  it('does not depend on how much there is to hash', () => {
    const head = `${subject}\n${headers.map(([, value]) => value).join('\n')}\n\n`;
    for (const size of [0, 1, 1_000, 100_000, 300_000]) {
      const bytes = Buffer.alloc(size, 'x');
      expect(hashOf(headers, bytes)).toBe(createHash('sha256').update(head).update(bytes).digest('base64url'));
    }
  });

  it('differs on another subject, and when a value moves from one header to the next', () => {
    expect(hashOf(headers, body, subjectOf(aggregateRef('user', newId('usr'))))).not.toBe(hash);
    const { causationId, ...rest } = envelope;
    expect(hashOf(toHeaders({ ...rest, correlationId: causationId! }))).not.toBe(hashOf(toHeaders({ ...rest, causationId: causationId! })));
  });
});

describe('a subject', () => {
  it('names an aggregate and gives it back', () => {
    expect(subject).toBe(`sandlot.auth.user.${envelope.aggregate.id}`);
    expect(refOf(subject)).toEqual(envelope.aggregate);
  });

  it.each(['', 'a.b', 'a b', '*', '>', 'ä', 'x'.repeat(129), 'a\n'])('has no id %j', (id) => {
    expect(() => subjectOf(aggregateRef('user', id))).toThrow(RangeError);
  });

  it.each(['sandlot.auth.user', 'sandlot.auth.user.1.2', 'other.auth.user.1', 'sandlot..user.1', ''])('is not %j', (foreign) => {
    expect(() => refOf(foreign)).toThrow(RangeError);
  });
});
