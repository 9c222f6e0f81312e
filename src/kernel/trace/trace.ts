import { HARDIRQ_MASK, inInterrupt, preemptCount, SOFTIRQ_DISABLE_OFFSET, SOFTIRQ_MASK, SOFTIRQ_OFFSET, SR_SIE } from '../irq/interrupt.ts';
import { lookupSymbol, sprintSymbol } from '../kallsyms.ts';
import type { Kernel } from '../kernel.ts';
import { WaitQueueHead, wakeUpAll } from '../sched/wait.ts';

// The trace buffer (kernel/trace/trace.c, ring_buffer.c).

/** TRACE_BUF_SIZE_DEFAULT, for each CPU. */
const BUFFER_SIZE = 1_441_792;
/** What an entry has besides its text: ring buffer event, struct trace_entry, ip. */
const ENTRY_OVERHEAD = 24;

interface TraceEntry {
  readonly cpu: number;
  readonly pid: number;
  readonly comm: string;
  /** Virtual ns. */
  readonly ts: number;
  readonly flags: string;
  /** Address of the code that wrote it; 0 = a marker of user space. */
  readonly ip: number;
  readonly text: string;
}
/** State of tracing. */
export interface TraceState {
  readonly entries: TraceEntry[];
  /** Bytes of the entries of each CPU. */
  readonly bytes: number[];
  overrun: number;
  on: boolean;
  /** "trace_printk() being used" was said. */
  bannerSaid: boolean;
  /** Readers of trace_pipe. */
  readonly wait: WaitQueueHead;
  readers: number;
  /** Text taken out of the buffer that trace_pipe has not handed over yet. */
  pipeRest: string;
}
export function newTrace(): TraceState {
  return { entries: [], bytes: [], overrun: 0, on: true, bannerSaid: false, wait: new WaitQueueHead(), readers: 0, pipeRest: '' };
}

/** A symbol that is looked up when the entry is read: \x01, style, address in hexadecimal, \x02. */
export const SYMBOL_BEGIN = '\x01';
export const SYMBOL_END = '\x02';
function symbols(k: Kernel, text: string): string {
  const [first, ...rest] = text.split(SYMBOL_BEGIN);
  return rest.reduce((out, part) => {
    const end = part.indexOf(SYMBOL_END);
    const [style, hex] = [part[0], part.slice(1, end)];
    if (end < 0 || (style !== 'S' && style !== 's') || !/^[0-9a-f]+$/.test(hex)) return out + part;
    return out + sprintSymbol(k, Number(BigInt.asIntN(64, BigInt(`0x${hex}`))), style) + part.slice(end + 1);
  }, first);
}

/** tracing_gen_ctx_flags and trace_print_lat_fmt: interrupts, need-resched, context, preempt depth, migrate-disable. */
function latencyFlags(k: Kernel): string {
  const count = preemptCount(k, k.current);
  const irqsOff = k.machine.regs.mode === 1 && (k.machine.regs.sstatus & SR_SIE) === 0;
  const bhOff = (count & SOFTIRQ_MASK) >= SOFTIRQ_DISABLE_OFFSET;
  const hard = (count & HARDIRQ_MASK) !== 0;
  const soft = (count & SOFTIRQ_OFFSET) !== 0;
  const irq = irqsOff ? (bhOff ? 'D' : 'd') : bhOff ? 'b' : '.';
  const context = hard ? (soft ? 'H' : 'h') : soft ? 's' : '.';
  return `${irq}${k.current.needResched ? 'n' : '.'}${context}..`;
}
/** An entry of the code at `ip`; the oldest give way. False when tracing is off. */
export function traceWrite(k: Kernel, ip: number, text: string): boolean {
  const { trace } = k;
  if (!trace.on) return false;
  const task = k.current;
  const comm = task.isIdle ? '<idle>' : task.comm;
  trace.entries.push({ cpu: k.cpu, pid: task.pid, comm, ts: k.time.now(), flags: latencyFlags(k), ip, text });
  trace.bytes[k.cpu] = (trace.bytes[k.cpu] ?? 0) + ENTRY_OVERHEAD + text.length;
  while (trace.bytes[k.cpu] > BUFFER_SIZE) {
    const i = trace.entries.findIndex((e) => e.cpu === k.cpu);
    trace.bytes[k.cpu] -= ENTRY_OVERHEAD + trace.entries[i].text.length;
    trace.entries.splice(i, 1);
    trace.overrun++;
  }
  if (!inInterrupt(k)) wakeUpAll(k, trace.wait);
  return true;
}
export function traceReset(k: Kernel): void {
  k.trace.entries.length = 0;
  k.trace.bytes.length = 0;
  k.trace.overrun = 0;
}
/** print_trace_line. */
export function traceLine(k: Kernel, e: TraceEntry): string {
  const usecs = Math.floor(e.ts / 1000);
  const time = `${String(Math.floor(usecs / 1e6)).padStart(5)}.${String(usecs % 1e6).padStart(6, '0')}`;
  const who = `${e.comm.padStart(16)}-${String(e.pid).padEnd(7)} [${String(e.cpu).padStart(3, '0')}]`;
  const fn = e.ip === 0 ? 'tracing_mark_write' : (lookupSymbol(k, e.ip)?.name ?? `0x${BigInt.asUintN(64, BigInt(e.ip)).toString(16)}`);
  return `${who} ${e.flags} ${time}: ${fn}: ${symbols(k, e.text)}`;
}
/** The oldest entry, taken out (trace_pipe). */
export function traceTake(k: Kernel): string | null {
  const e = k.trace.entries.shift();
  if (e === undefined) return null;
  k.trace.bytes[e.cpu] -= ENTRY_OVERHEAD + e.text.length;
  return traceLine(k, e);
}
const HEADER = `#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
`;
/** The file trace. */
export function showTrace(k: Kernel): string {
  const { entries, overrun } = k.trace;
  const counts = `# entries-in-buffer/entries-written: ${entries.length}/${entries.length + overrun}   #P:${k.cpus}`;
  return `# tracer: nop\n#\n${counts}\n#\n${HEADER}${entries.map((e) => traceLine(k, e)).join('')}`;
}
