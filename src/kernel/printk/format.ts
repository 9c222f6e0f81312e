import { MESSAGE_MAX } from '../../abi/syslog.ts';
import type { LogRecord } from './ringbuffer.ts';

// Records as text: for the console, syslog(2) and /dev/kmsg.

/** "[    1.234567]" */
function timeText(ns: number): string {
  return `[${String(Math.floor(ns / 1e9)).padStart(5)}.${String(Math.floor((ns % 1e9) / 1e3)).padStart(6, '0')}]`;
}
/** What stands before each line (info_print_prefix): the level as syslog writes it, the time. */
function prefixOf(r: LogRecord, syslog: boolean, time: boolean): string {
  return (syslog ? `<${r.facility * 8 + r.level}>` : '') + (time ? `${timeText(r.time)} ` : '');
}
/** A record with a prefix before each line and a newline after it; what does not fit into the kernel's buffer is missing (record_print_text). */
export function recordText(r: LogRecord, syslog: boolean, time: boolean): string {
  const prefix = prefixOf(r, syslog, time);
  let rest = r.text;
  let truncated = false;
  let out = '';
  for (;;) {
    const at = rest.indexOf('\n');
    if (at < 0 && truncated) return out;
    const line = at < 0 ? rest : rest.slice(0, at);
    // A newline and a NUL follow.
    const room = MESSAGE_MAX - out.length - prefix.length - 2;
    if (rest.length > room) {
      if (line.length > room) return out;
      rest = rest.slice(0, room);
      truncated = true;
    }
    out += `${prefix}${line}\n`;
    if (rest.length === line.length) return out;
    rest = rest.slice(line.length + 1);
  }
}
/** Bytes of recordText if nothing were cut (get_record_print_text_size). */
export function recordTextSize(r: LogRecord, syslog: boolean, time: boolean): number {
  let lines = 1;
  for (let i = r.text.indexOf('\n'); i >= 0; i = r.text.indexOf('\n', i + 1)) lines++;
  return prefixOf(r, syslog, time).length * lines + r.text.length + 1;
}
/** Text in a buffer of MESSAGE_MAX bytes. */
class MessageBuffer {
  text = '';
  /** A character, while there is room. */
  private put(c: string): void {
    if (this.text.length < MESSAGE_MAX) this.text += c;
  }
  /** Unprintable bytes and backslashes as \xNN; such a sequence leaves the last byte of the buffer alone (it is formatted with a NUL). */
  escaped(text: string): void {
    for (const c of text) {
      const n = c.charCodeAt(0);
      if (n >= 32 && n < 127 && c !== '\\') this.put(c);
      else this.text += `\\x${n.toString(16).padStart(2, '0')}`.slice(0, Math.max(0, MESSAGE_MAX - 1 - this.text.length));
    }
  }
  line(head: string, text: string): void {
    for (const c of head) this.put(c);
    this.escaped(text);
    this.put('\n');
  }
}
/** A record as /dev/kmsg gives it (Documentation/ABI/testing/dev-kmsg). */
export function extendedText(r: LogRecord): string {
  const out = new MessageBuffer();
  out.line(`${r.facility * 8 + r.level},${r.seq},${Math.floor(r.time / 1000)},${r.continuation ? 'c' : '-'};`, r.text);
  if (r.subsystem !== '') out.line(' SUBSYSTEM=', r.subsystem);
  if (r.device !== '') out.line(' DEVICE=', r.device);
  return out.text;
}
