// The store of log records (kernel/printk/printk_ringbuffer.c): how many fit and which are dropped follows Linux's two rings, one of texts (bytes)
// and one of descriptors (records), byte for byte.

export interface LogRecord {
  readonly seq: number;
  /** Syslog facility: 0 kernel, 1 user. */
  readonly facility: number;
  /** 0..7. */
  readonly level: number;
  /** Virtual nanoseconds. */
  readonly time: number;
  /** Pid of the writer. */
  readonly caller: number;
  /** Byte string; lines are separated by newlines, the last has none. */
  text: string;
  /** The text continues something that was not there any more (LOG_CONT). */
  readonly continuation: boolean;
  /** Of dev_printk: empty when there is none. */
  readonly subsystem: string;
  readonly device: string;
  /** Place of its text in the ring of texts: from, and where the next one starts. */
  readonly begin: number;
  next: number;
}

/** Bytes of an average text that a descriptor is provided for (PRB_AVGBITS). */
const AVERAGE = 32;
const ID_SIZE = 8;
const blockSize = (bytes: number) => Math.ceil((ID_SIZE + bytes) / ID_SIZE) * ID_SIZE;

export class RingBuffer {
  /** Bytes for texts, a power of two. */
  readonly size: number;
  private readonly maxRecords: number;
  private list: LogRecord[] = [];
  private start = 0;
  private head = 0;
  private tail = 0;
  private seq = 0;
  /** The last record may still be continued and is not readable yet. */
  private open = false;

  constructor(size: number) {
    this.size = size;
    this.maxRecords = size / AVERAGE;
  }
  private get count(): number {
    return this.list.length - this.start;
  }
  private dropOldest(): void {
    this.tail = this.list[this.start].next;
    this.start++;
    if (this.start > this.maxRecords) {
      this.list = this.list.slice(this.start);
      this.start = 0;
    }
  }
  /** Where a block that starts at `begin` ends: a block that does not fit before the end of the ring lies at its start. */
  private end(begin: number, bytes: number): number {
    const size = blockSize(bytes);
    const next = begin + size;
    const wrap = Math.floor(next / this.size);
    return Math.floor(begin / this.size) === wrap ? next : wrap * this.size + size;
  }
  private makeRoom(next: number): void {
    while (this.count > 0 && this.tail < next - this.size) this.dropOldest();
    this.head = next;
  }

  /** Adds a record for whose text `bytes` were reserved. One that may be continued stays invisible until it is complete or another one follows. */
  append(fields: Omit<LogRecord, 'seq' | 'begin' | 'next'>, bytes: number, complete: boolean): void {
    if (this.count === this.maxRecords) this.dropOldest();
    const begin = this.head;
    const next = this.end(begin, bytes);
    this.makeRoom(next);
    this.list.push({ ...fields, seq: this.seq++, begin, next });
    this.open = !complete;
  }
  /** The last record, when it is open, was written by `caller` and has room for `bytes` more. */
  continued(caller: number, bytes: number, max: number): LogRecord | null {
    const last = this.list[this.list.length - 1];
    if (!this.open || last.caller !== caller || last.text.length + bytes > max) return null;
    const next = this.end(last.begin, last.text.length + bytes);
    if (next > last.next) {
      this.makeRoom(next);
      last.next = next;
    }
    return last;
  }
  complete(): void {
    this.open = false;
  }

  /** Sequence number after the last readable record (prb_next_seq). */
  get nextSeq(): number {
    return this.seq - (this.open ? 1 : 0);
  }
  /** Of the oldest record (prb_first_valid_seq). */
  get firstSeq(): number {
    return this.seq - this.count;
  }
  /** The record `seq`, or the oldest one after it; null when it does not exist yet. */
  read(seq: number): LogRecord | null {
    const at = Math.max(seq, this.firstSeq);
    return at < this.nextSeq ? this.list[this.start + at - this.firstSeq] : null;
  }
  /** All readable records, oldest first. */
  records(from = 0): LogRecord[] {
    const first = Math.max(from, this.firstSeq) - this.firstSeq;
    return this.list.slice(this.start + first, this.list.length - (this.open ? 1 : 0));
  }
}
