import type { Kernel } from '../kernel.ts';
import { bytesOf } from '../lib/bytes.ts';
import { WaitQueueHead, wakeUpAll } from '../sched/wait.ts';

export interface LogRecord {
  readonly seq: number;
  readonly level: number;
  /** Virtual ns. */
  readonly time: number;
  readonly text: string;
}

/** The kernel log: a ring of records, and the console that shows those below the console level. */
export class Printk {
  private readonly k: Kernel;
  readonly records: LogRecord[] = [];
  private seq = 0;
  /** console_loglevel: records with a smaller level number reach the console. */
  consoleLevel = 7;
  /** Readers of /dev/kmsg who wait for a record. */
  readonly wait = new WaitQueueHead();

  constructor(k: Kernel) {
    this.k = k;
    if (k.param('quiet') !== null) this.consoleLevel = 4;
  }
  /** Logs a line at `level` (0 KERN_EMERG .. 7 KERN_DEBUG), text without the newline. */
  log(level: number, text: string): void {
    const time = this.k.time.now();
    const record: LogRecord = { seq: this.seq++, level, time, text };
    this.records.push(record);
    if (this.records.length > 4096) this.records.shift();
    wakeUpAll(this.k, this.wait);
    if (level < this.consoleLevel) this.k.host.consoleWrite(bytesOf(`${formatRecord(record)}\r\n`));
  }
}

/** A record as dmesg shows it. */
export function formatRecord(r: LogRecord): string {
  const sec = Math.floor(r.time / 1e9);
  const usec = Math.floor((r.time % 1e9) / 1e3);
  return `[${String(sec).padStart(5)}.${String(usec).padStart(6, '0')}] ${r.text}`;
}
