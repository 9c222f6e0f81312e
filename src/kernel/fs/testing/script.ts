import { newMount } from '../namespace.ts';
import * as errno from '../../../abi/errno.ts';
import { MS_RELATIME } from '../../../abi/mount.ts';
import type { Kernel } from '../../kernel.ts';
import { bytesOf, stringOf } from '../../lib/bytes.ts';
import { copyFromUserPartial, copyToUser } from '../../mm/uaccess.ts';
import { BLOCKED } from '../../sched/wait.ts';
import type { SyscallHandler, SyscallRow } from '../../syscalls/table.ts';
import { FilesStruct, FsStruct } from '../file_table.ts';
import { memInode } from '../tmpfs.ts';
import { type StubKernel, stubKernel } from './stub_kernel.ts';

// Runs the scripts of tests/guest/fs/fsop.c (its head describes the language) against the system-call rows, printing the same text.

const errorName = new Map<number, string>();
for (const [name, n] of Object.entries(errno)) if (typeof n === 'number' && n < 512 && !errorName.has(n)) errorName.set(n, name);

function fromScript(text: string): Uint8Array {
  return bytesOf(text.replace(/%([0-9a-f]{2})/g, (_m, h: string) => String.fromCharCode(Number.parseInt(h, 16))));
}
function toScript(bytes: Uint8Array): string {
  let s = '';
  for (const b of bytes) s += b > 32 && b < 127 && b !== 37 ? String.fromCharCode(b) : `%${b.toString(16).padStart(2, '0')}`;
  return s;
}

const SLOT = 70000;
interface Show {
  readonly kind: string;
  readonly at: number;
  readonly n: number;
}

class Session {
  private readonly stub: StubKernel;
  private readonly k: Kernel;
  private readonly handlers: ReadonlyMap<number, SyscallHandler>;
  private readonly seen: string[] = [];
  private readonly times: number[][][] = [];

  constructor(stub: StubKernel, handlers: ReadonlyMap<number, SyscallHandler>) {
    this.stub = stub;
    this.k = stub.k;
    this.handlers = handlers;
  }
  private put(at: number, bytes: Uint8Array): void {
    if (copyToUser(this.k, at, bytes) < 0) throw new Error('test memory');
  }
  private get(at: number, length: number): DataView {
    const out = new Uint8Array(length);
    if (copyFromUserPartial(this.k, out, at) !== length) throw new Error('test memory');
    return new DataView(out.buffer);
  }
  private id(dev: bigint, ino: bigint): number {
    const key = `${dev}:${ino}`;
    const i = this.seen.indexOf(key);
    return i >= 0 ? i : this.seen.push(key) - 1;
  }

  run(line: string): string {
    const words = line.split(' ');
    const nr = Number(words[0].slice(words[0].indexOf(':') + 1));
    const args = [0, 0, 0, 0, 0, 0];
    const shows: Show[] = [];
    words.slice(1, 7).forEach((w, i) => {
      args[i] = this.argument(w, this.stub.userBase + i * SLOT, shows);
    });
    const handler = this.handlers.get(nr);
    const r = handler === undefined ? -38 : handler(this.k, args[0], args[1], args[2], args[3], args[4], args[5]);
    if (r === BLOCKED) {
      // As after a signal: the call is made again and sees it.
      this.stub.interrupt(true);
      handler?.(this.k, args[0], args[1], args[2], args[3], args[4], args[5]);
      this.stub.interrupt(false);
      return 'BLOCKED';
    }
    this.k.current.restart = null;
    let text = r < 0 ? `-${errorName.get(-r) ?? r}` : String(r);
    for (const s of shows) {
      if (s.kind === 'off') text += ` @${this.get(s.at, 8).getBigInt64(0, true)}`;
      else if (r >= 0) text += this.show(s, r);
    }
    return text;
  }

  private argument(w: string, at: number, shows: Show[]): number {
    const colon = w.indexOf(':');
    if (colon < 0) return Number(w);
    const kind = w.slice(0, colon);
    const rest = w.slice(colon + 1);
    const i64 = (values: readonly number[]) => {
      const v = new DataView(new ArrayBuffer(values.length * 8));
      values.forEach((n, i) => {
        v.setBigInt64(i * 8, BigInt(n), true);
      });
      this.put(at, new Uint8Array(v.buffer));
    };
    switch (kind) {
      case 's': {
        const bytes = fromScript(rest);
        this.put(at, bytes);
        this.put(at + bytes.length, new Uint8Array(1));
        return at;
      }
      case 'o':
        this.put(at, new Uint8Array(SLOT));
        shows.push({ kind: rest.split(':')[0], at, n: 0 });
        return at;
      case 'p':
        i64([Number(rest)]);
        shows.push({ kind: 'off', at, n: 0 });
        return at;
      case 'ir':
      case 'iw': {
        this.put(at, new Uint8Array(SLOT));
        const vector: number[] = [];
        let q = at;
        for (const part of rest.split('|')) {
          const bytes = kind === 'iw' ? fromScript(part) : new Uint8Array(Number(part));
          if (kind === 'iw') this.put(q, bytes);
          vector.push(q, bytes.length);
          q += bytes.length;
        }
        const table = at + SLOT - 512;
        const v = new DataView(new ArrayBuffer(vector.length * 8));
        vector.forEach((n, i) => {
          v.setBigInt64(i * 8, BigInt(n), true);
        });
        this.put(table, new Uint8Array(v.buffer));
        if (kind === 'ir') shows.push({ kind: 'buf', at, n: 0 });
        return table;
      }
      case 'lk': {
        const [type, whence, start, len, pid] = rest.split(',').map(Number);
        const v = new DataView(new ArrayBuffer(32));
        v.setInt16(0, type, true);
        v.setInt16(2, whence, true);
        v.setBigInt64(8, BigInt(start), true);
        v.setBigInt64(16, BigInt(len), true);
        v.setInt32(24, pid, true);
        this.put(at, new Uint8Array(v.buffer));
        shows.push({ kind: 'lk', at, n: 0 });
        return at;
      }
      case 'pf': {
        const list = rest.split(',').map((p) => p.split('/').map(Number));
        const v = new DataView(new ArrayBuffer(list.length * 8));
        list.forEach(([fd, events], i) => {
          v.setInt32(i * 8, fd, true);
          v.setInt16(i * 8 + 4, events, true);
        });
        this.put(at, new Uint8Array(v.buffer));
        shows.push({ kind: 'pf', at, n: list.length });
        return at;
      }
      case 'ts':
        i64(rest.split(',').map(Number));
        return at;
    }
    throw new Error(`bad argument ${w}`);
  }

  private show(s: Show, r: number): string {
    const { at } = s;
    switch (s.kind) {
      case 'stat':
      case 'statt': {
        const v = this.get(at, 128);
        const mode = v.getUint32(16, true);
        const id = this.id(v.getBigUint64(0, true), v.getBigUint64(8, true));
        let text = ` #${id} ${mode.toString(8)} n${v.getUint32(20, true)} ${v.getUint32(24, true)}:${v.getUint32(28, true)}`;
        const type = mode & 0o170000;
        if (type === 0o20000 || type === 0o60000) text += ` r${v.getBigUint64(32, true).toString(16)}`;
        else text += ` s${v.getBigInt64(48, true)} b${v.getBigInt64(64, true)}`;
        if (s.kind === 'statt') {
          this.times[id] ??= [];
          const old = this.times[id];
          text += ' ';
          [72, 88, 104].forEach((o, i) => {
            const t = [Number(v.getBigInt64(o, true)), Number(v.getBigInt64(o + 8, true))];
            text += old[i] === undefined || old[i][0] !== t[0] || old[i][1] !== t[1] ? 'amc'[i] : '-';
            old[i] = t;
          });
        }
        return text;
      }
      case 'dents': {
        const v = this.get(at, r);
        let text = '';
        for (let o = 0; o < r; o += v.getUint16(o + 16, true)) {
          const name = new Uint8Array(v.buffer, o + 19, v.getUint16(o + 16, true) - 19);
          text += ` ${toScript(name.subarray(0, name.indexOf(0)))}:${v.getUint8(o + 18)}`;
        }
        return text;
      }
      case 'buf':
        return ` ${toScript(new Uint8Array(this.get(at, r).buffer))}`;
      case 'statfs': {
        const v = this.get(at, 120);
        return ` ${v.getBigInt64(0, true).toString(16)} ${v.getBigInt64(8, true)} ${v.getBigInt64(64, true)} ${v.getBigInt64(80, true).toString(16)}`;
      }
      case 'fds':
        return ` ${this.get(at, 4).getInt32(0, true)},${this.get(at + 4, 4).getInt32(0, true)}`;
      case 'int':
        return ` ${this.get(at, 4).getInt32(0, true)}`;
      case 'lk': {
        const v = this.get(at, 32);
        const pid = v.getInt32(24, true);
        return ` ${v.getInt16(0, true)},${v.getInt16(2, true)},${v.getBigInt64(8, true)},${v.getBigInt64(16, true)},${pid > 0 ? 1 : pid}`;
      }
      case 'pf': {
        const v = this.get(at, s.n * 8);
        let text = '';
        for (let i = 0; i < s.n; i++) text += ` ${v.getUint16(i * 8 + 6, true).toString(16)}`;
        return text;
      }
      case 'statx': {
        const v = this.get(at, 256);
        const h = (o: number) => v.getBigUint64(o, true).toString(16);
        return (
          ` m${v.getUint32(0, true).toString(16)} #${this.id(0n, v.getBigUint64(32, true))} ${v.getUint16(28, true).toString(8)} n${v.getUint32(16, true)}` +
          ` ${v.getUint32(20, true)}:${v.getUint32(24, true)} s${v.getBigInt64(40, true)} b${v.getBigInt64(48, true)} at${h(8)}/${h(56)}`
        );
      }
    }
    throw new Error(`bad output ${s.kind}`);
  }
}

/** Runs a whole script; one output line for every call, as fsop prints them. */
export function runScript(script: string, rows: readonly SyscallRow[]): string[] {
  const handlers = new Map(rows.map((r) => [r.nr, r.handler]));
  const out: string[] = [];
  const stub = stubKernel();
  let session: Session | null = null;
  for (const line of script.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    if (line === 'reset') {
      stub.setUid(0);
      const { k } = stub;
      k.current.files.closeAll(k, false);
      k.current.files = new FilesStruct();
      const rootMount = k.vfs.rootMount;
      const top = { mnt: rootMount, dentry: rootMount.root };
      k.current.fs = new FsStruct(top, top, 0o022);
      // A fresh tmpfs as the root directory.
      const at = freshMountPoint(k);
      newMount(k, 'tmpfs', 't', { mnt: rootMount, dentry: at }, MS_RELATIME, 'mode=755');
      const mnt = k.vfs.mounts[k.vfs.mounts.length - 1];
      const root = { mnt, dentry: mnt.root };
      k.current.fs = new FsStruct(root, root, 0o022);
      session = new Session(stub, handlers);
    } else if (line.startsWith('uid ')) stub.setUid(Number(line.slice(4)));
    else if (line === 'sleep') stub.advance(20_000_000);
    else if (session !== null) {
      try {
        out.push(session.run(line));
      } catch (e) {
        throw new Error(`${line}: ${(e as Error).message}`, { cause: e });
      }
    }
  }
  return out;
}
let mountPoints = 0;
function freshMountPoint(k: Kernel) {
  const root = k.vfs.rootMount.root;
  const name = `fsop${mountPoints++}`;
  const inode = memInode(k, root.inode.sb, 0o40755, 0);
  const dentry = { name, parent: root, inode, children: new Map(), mounted: null, deleted: false };
  root.children.set(name, dentry);
  return dentry;
}
export const textOf = stringOf;
