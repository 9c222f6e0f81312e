import { KERN_INFO, KERN_SOH, KERN_WARNING, LOG_BUF_LEN, LOG_KERN, LOGLEVEL_DEFAULT, RECORD_MAX } from '../../abi/syslog.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf } from '../lib/bytes.ts';
import { ratelimit, type RatelimitState, ratelimitInit } from '../lib/ratelimit.ts';
import type { VaList } from '../lib/va_list.ts';
import { vsnprintf } from '../lib/vsprintf.ts';
import { WaitQueueHead, wakeUpAll } from '../sched/wait.ts';
import { recordText } from './format.ts';
import { type PrintkOptions, printkOptions } from './options.ts';
import { type LogRecord, RingBuffer } from './ringbuffer.ts';

export type { LogRecord };

/** What dev_printk adds to a record. */
export interface DevPrintkInfo {
  readonly subsystem: string;
  readonly device: string;
}

/** Only this many bytes of a formatted text are looked through for a level (vprintk_store). */
const PREFIX_LOOK = 7;
/** Levels and the continuation mark at the start of a kernel message: how long they are, and what they say. */
function parsePrefix(text: string): { length: number; level: number; continuation: boolean } {
  let length = 0;
  let level = LOGLEVEL_DEFAULT;
  let continuation = false;
  for (; text[length] === KERN_SOH; length += 2) {
    const c = text[length + 1] ?? '';
    if (c === 'c') continuation = true;
    else if (c >= '0' && c <= '7') level = level === LOGLEVEL_DEFAULT ? Number(c) : level;
    else break;
  }
  return { length, level, continuation };
}

/** The kernel log: the ring of records, the console that shows those below the console level, and the places of its readers (kernel/printk). */
export class Printk {
  private readonly k: Kernel;
  readonly options: PrintkOptions;
  readonly ring: RingBuffer;
  /** Readers who wait for a record. */
  readonly wait = new WaitQueueHead();
  /** syslog(2): the record that SYSLOG_ACTION_READ gives next, how much of it was read, and whether it is given with a time. */
  readonly syslog = { seq: 0, partial: 0, time: true };
  /** Records before this one were cleared. */
  clearSeq = 0;
  /** The console level before SYSLOG_ACTION_CONSOLE_OFF; -1 = it is not off. */
  savedConsoleLevel = LOGLEVEL_DEFAULT;
  /** /proc/sys/kernel/dmesg_restrict (Debian: on). */
  dmesgRestrict = 1;
  /** /proc/sys/kernel/printk_delay, ms. */
  delay = 0;
  /** Of printk_ratelimit(); /proc/sys/kernel/printk_ratelimit and printk_ratelimit_burst. */
  readonly limit: RatelimitState = ratelimitInit();
  /** The next record that the console shows. */
  private consoleSeq = 0;

  constructor(k: Kernel) {
    this.k = k;
    this.options = printkOptions(k.commandLine);
    this.ring = new RingBuffer(this.options.bufferSize);
  }
  /** Logs a message at `level` (0 KERN_EMERG .. 7 KERN_DEBUG), text without the newline at its end. */
  log(level: number, text: string): void {
    this.emit(LOG_KERN, level, `${text}\n`);
  }
  /** printk: formats (vprintk). Bytes of text. */
  vprintk(fmt: string, args: VaList): number {
    return this.emit(LOG_KERN, LOGLEVEL_DEFAULT, vsnprintf(this.k, fmt, args));
  }
  /**
   * Stores a formatted text (vprintk_emit). A kernel message may begin with levels ("\x016"), used when `level` is LOGLEVEL_DEFAULT, and the
   * continuation mark ("\x01c"); without a newline at its end the next continuation of the same task is appended to it. Bytes of text.
   */
  emit(facility: number, level: number, text: string, dev: DevPrintkInfo | null = null): number {
    const { k, ring } = this;
    const reserved = Math.min(text.length + 1, RECORD_MAX);
    const head = facility === LOG_KERN ? parsePrefix(text.slice(0, PREFIX_LOOK)) : parsePrefix('');
    if (level === LOGLEVEL_DEFAULT) level = head.level;
    if (level === LOGLEVEL_DEFAULT) level = this.options.defaultMessageLevel;
    let body = text.slice(0, reserved - 1);
    const ended = body.endsWith('\n');
    if (ended) body = body.slice(0, -1);
    const complete = ended || dev !== null;
    if (facility === LOG_KERN) body = body.slice(parsePrefix(body).length);
    const caller = k.current?.pid ?? 0;
    const last = head.continuation ? ring.continued(caller, reserved, RECORD_MAX) : null;
    if (last !== null) {
      last.text += body;
      if (complete) ring.complete();
    } else {
      const { subsystem, device } = dev ?? { subsystem: '', device: '' };
      const time = k.time.now();
      ring.append(
        { facility, level: level & 7, time, caller, text: body, continuation: head.continuation, subsystem, device },
        reserved,
        complete,
      );
    }
    this.flush();
    return body.length;
  }
  /** Shows new records on the console and wakes their readers. */
  private flush(): void {
    const from = this.consoleSeq;
    this.consoleSeq = this.ring.nextSeq;
    if (this.consoleSeq === from) return;
    const { options, k } = this;
    for (const r of this.ring.records(from))
      if (r.level < options.consoleLevel || options.ignoreLevel)
        k.host.consoleWrite(bytesOf(recordText(r, false, options.time).replaceAll('\n', '\r\n')));
    wakeUpAll(k, this.wait);
  }
  /** printk_ratelimit(): may `who` print now? */
  ratelimit(who: string): boolean {
    return ratelimit(this.k, this.limit, who);
  }
  /** The log as dmesg prints it. */
  dmesg(): string {
    return this.ring
      .records()
      .map((r) => recordText(r, false, true))
      .join('');
  }
}

/** What Linux says of no_hash_pointers (lib/vsprintf.c): the middle of each line. */
const NOTICE = '   NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE NOTICE   ';
const UNHASHED: readonly string[] = [
  NOTICE,
  '',
  ' This system shows unhashed kernel memory addresses',
  ' via the console, logs, and other interfaces. This',
  ' might reduce the security of your system.',
  '',
  ' If you see this message and you are not debugging',
  ' the kernel, report this immediately to your system',
  ' administrator!',
  '',
  NOTICE,
];
/** What the options of the command line have to say once the log exists. */
export function printkOptionsNotice(k: Kernel): void {
  const { options } = k.printk;
  if (options.ignoreLevel) k.printk.log(KERN_INFO, 'printk: debug: ignoring loglevel setting.');
  if (k.pointers.noHash) {
    k.printk.log(KERN_WARNING, '*'.repeat(58));
    for (const line of UNHASHED) k.printk.log(KERN_WARNING, `**${line.padEnd(54)}**`);
    k.printk.log(KERN_WARNING, '*'.repeat(58));
  }
  if (options.bufferSize !== LOG_BUF_LEN) k.printk.log(KERN_INFO, `printk: log_buf_len: ${options.bufferSize} bytes`);
}
