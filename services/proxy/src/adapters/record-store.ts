import { LRUCache } from 'lru-cache';
import { crc32 } from 'node:zlib';

export interface RecordStoreOptions {
  /** Records kept, by second chance: the oldest goes first that nobody has asked for since it was last looked at. */
  maxRecords: number;
  /** Of them, how many are kept parsed as well; the least recently used goes first. Default 4000: what some 2000 callers at work need. */
  maxParsed?: number;
  /** Bytes of a slab; a record that is larger gets one of its own. Default 1 MiB. */
  slabBytes?: number;
}

interface Known<Value> {
  /** Undefined when it is known that there is none. */
  readonly value: Value | undefined;
  readonly place: number;
}

interface Slab {
  readonly bytes: Buffer;
  filled: number;
  live: number;
}

const MAX_PARSED = 4000;
const SLAB_BYTES = 1024 * 1024;
/** Of typed arrays that begin as zeros: no place is 0 in the index, no slab is 0. */
const NONE = 0;

/**
 * Records by name, for a process that knows many and uses few at a time. Those in use are objects; all are JSON in slabs outside V8's
 * heap, where a record takes a third of the memory and no time of the garbage collector. A name is found by its hash in an index with
 * linear probing, and compared with the bytes. Each record has a place, a number for as long as it is kept, by which the columns know it.
 * Memory of the columns that no record has used yet is not resident.
 *
 * It believes what it is given: values are JSON, and validated.
 */
export class RecordStore<Value extends object> {
  private readonly parsed: LRUCache<string, Known<Value>>;
  private readonly maxRecords: number;
  private readonly slabBytes: number;
  /** Place + 1 by hash. */
  private readonly index: Uint32Array;
  private readonly hashes: Uint32Array;
  private readonly revisions: Float64Array;
  private readonly slabOf: Uint32Array;
  private readonly startOf: Uint32Array;
  private readonly nameLengths: Uint32Array;
  private readonly lengths: Uint32Array;
  /** 1 when it was asked for since the hand came by. */
  private readonly used: Uint8Array;
  private readonly slabs: (Slab | undefined)[] = [undefined];
  private current = NONE;
  private count = 0;
  private hand = 0;

  constructor({ maxRecords, maxParsed = MAX_PARSED, slabBytes = SLAB_BYTES }: RecordStoreOptions) {
    this.maxRecords = maxRecords;
    this.slabBytes = slabBytes;
    this.parsed = new LRUCache({ max: maxParsed });
    this.index = new Uint32Array(2 ** Math.ceil(Math.log2(maxRecords * 1.25 + 1)));
    this.hashes = new Uint32Array(maxRecords);
    this.revisions = new Float64Array(maxRecords);
    this.slabOf = new Uint32Array(maxRecords);
    this.startOf = new Uint32Array(maxRecords);
    this.nameLengths = new Uint32Array(maxRecords);
    this.lengths = new Uint32Array(maxRecords);
    this.used = new Uint8Array(maxRecords);
  }

  get size(): number {
    return this.count;
  }

  /** What the slabs take. */
  get bytes(): number {
    return this.slabs.reduce((sum, slab) => sum + (slab?.bytes.length ?? 0), 0);
  }

  /** Undefined when nothing is known of it. */
  find(name: string): Known<Value> | undefined {
    let known = this.parsed.get(name);
    if (!known) {
      const place = this.placeOf(name);
      if (place === undefined) return undefined;
      known = { value: this.read(place), place };
      this.parsed.set(name, known);
    }
    this.used[known.place] = 1;
    return known;
  }

  /** The same for one who only looks: it does not count as use. */
  peek(name: string): Value | undefined {
    const known = this.parsed.peek(name);
    if (known) return known.value;
    const place = this.placeOf(name);
    return place === undefined ? undefined : this.read(place);
  }

  /** 0 when nothing is known of it. */
  revisionOf(name: string): number {
    const place = this.parsed.peek(name)?.place ?? this.placeOf(name);
    return place === undefined ? 0 : this.revisions[place]!;
  }

  /** Keeps what is now known under a name; undefined that there is none. */
  set(name: string, value: Value | undefined, revision: number): void {
    const known = this.placeOf(name);
    if (known !== undefined) this.release(known);
    const place = known ?? this.add(name);
    this.nameLengths[place] = Buffer.byteLength(name);
    this.revisions[place] = revision;
    this.write(place, Buffer.from(value === undefined ? name : name + JSON.stringify(value)));
    // Of the many changes that a watch brings, most are of records that nobody uses.
    if (this.parsed.has(name)) this.parsed.set(name, { value, place });
  }

  private placeOf(name: string): number | undefined {
    const bytes = Buffer.from(name);
    const hash = crc32(bytes);
    for (let slot = this.slotOf(hash); ; slot = this.next(slot)) {
      const entry = this.index[slot]!;
      if (entry === NONE) return undefined;
      if (this.hashes[entry - 1] === hash && bytes.equals(this.nameAt(entry - 1))) return entry - 1;
    }
  }

  private add(name: string): number {
    const place = this.count < this.maxRecords ? this.count++ : this.evict();
    const hash = crc32(name);
    let slot = this.slotOf(hash);
    while (this.index[slot] !== NONE) slot = this.next(slot);
    this.index[slot] = place + 1;
    this.hashes[place] = hash;
    this.used[place] = 0;
    return place;
  }

  /** The hand goes around until it comes to a record that was not used since it came there last. */
  private evict(): number {
    for (; this.used[this.hand] === 1; this.turn()) this.used[this.hand] = 0;
    const place = this.hand;
    this.turn();
    this.parsed.delete(this.nameAt(place).toString());
    this.unlink(place);
    this.release(place);
    return place;
  }

  private turn(): void {
    this.hand = (this.hand + 1) % this.maxRecords;
  }

  /** Takes a place out of the index, and closes the gap for those who had to go past it. */
  private unlink(place: number): void {
    let gap = this.slotOf(this.hashes[place]!);
    while (this.index[gap] !== place + 1) gap = this.next(gap);
    const last = this.index.length - 1;
    for (let slot = this.next(gap); this.index[slot] !== NONE; slot = this.next(slot)) {
      const wanted = this.slotOf(this.hashes[this.index[slot]! - 1]!);
      if (((slot - wanted) & last) < ((slot - gap) & last)) continue;
      this.index[gap] = this.index[slot]!;
      gap = slot;
    }
    this.index[gap] = NONE;
  }

  private slotOf(hash: number): number {
    return (hash & (this.index.length - 1)) >>> 0;
  }

  private next(slot: number): number {
    return (slot + 1) & (this.index.length - 1);
  }

  private nameAt(place: number): Buffer {
    const start = this.startOf[place]!;
    return this.slabs[this.slabOf[place]!]!.bytes.subarray(start, start + this.nameLengths[place]!);
  }

  private read(place: number): Value | undefined {
    const start = this.startOf[place]!;
    const text = this.slabs[this.slabOf[place]!]!.bytes.toString('utf8', start + this.nameLengths[place]!, start + this.lengths[place]!);
    return text === '' ? undefined : (JSON.parse(text) as Value);
  }

  private write(place: number, record: Buffer): void {
    const before = this.current;
    const number = this.room(record.length);
    const slab = this.slabs[number]!;
    slab.bytes.set(record, slab.filled);
    this.slabOf[place] = number;
    this.startOf[place] = slab.filled;
    this.lengths[place] = record.length;
    slab.filled += record.length;
    slab.live += record.length;
    if (before !== NONE && before !== this.current) this.tidy(before);
  }

  private release(place: number): void {
    const number = this.slabOf[place]!;
    this.slabOf[place] = NONE;
    this.slabs[number]!.live -= this.lengths[place]!;
    this.tidy(number);
  }

  /** @returns the number of a slab that has room for so many bytes */
  private room(length: number): number {
    if (length > this.slabBytes) return this.open(length);
    const slab = this.slabs[this.current];
    if (!slab || slab.bytes.length - slab.filled < length) this.current = this.open(this.slabBytes);
    return this.current;
  }

  private open(length: number): number {
    const free = this.slabs.indexOf(undefined, 1);
    const number = free < 0 ? this.slabs.length : free;
    this.slabs[number] = { bytes: Buffer.allocUnsafeSlow(length), filled: 0, live: 0 };
    return number;
  }

  /** Moves what is left in a slab of which more than half is dead, and gives the slab back. */
  private tidy(number: number): void {
    const { bytes, live } = this.slabs[number]!;
    if (number === this.current || live * 2 > bytes.length) return;
    for (let place = 0; live > 0 && place < this.count; place++) {
      if (this.slabOf[place] !== number) continue;
      const start = this.startOf[place]!;
      this.write(place, bytes.subarray(start, start + this.lengths[place]!));
    }
    this.slabs[number] = undefined;
  }
}
