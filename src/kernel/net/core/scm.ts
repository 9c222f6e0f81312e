import { EBADF, EINVAL, EPERM, ESRCH } from '../../../abi/errno.ts';
import { MSG_CMSG_CLOEXEC, MSG_CTRUNC, SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET, AF_UNIX } from '../../../abi/socket.ts';
import type { File } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import { copyToUser } from '../../mm/uaccess.ts';
import type { Ucred } from './skbuff.ts';

// Control messages (net/core/scm.c, cmsg(3)).

/** sizeof(struct cmsghdr): size_t len; int level, type. */
const HDR = 16;
const SCM_MAX_FD = 253;
const CAP_SYS_ADMIN = 21;
const CAP_SETGID = 6;
const CAP_SETUID = 7;
const RLIMIT_NOFILE = 7;
export const OVERFLOW_ID = 65534;

export interface Cmsg {
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
}
/** The control messages in a sender's buffer; -EINVAL when one does not fit (CMSG_OK). */
export function parseCmsgs(control: Uint8Array): Cmsg[] | number {
  const out: Cmsg[] = [];
  const v = new DataView(control.buffer, control.byteOffset, control.length);
  for (let at = 0; at + HDR <= control.length; ) {
    const len = Number(v.getBigUint64(at, true));
    if (len < HDR || len > control.length - at) return -EINVAL;
    out.push({ level: v.getInt32(at + 8, true), type: v.getInt32(at + 12, true), data: control.subarray(at + HDR, at + len) });
    at += Math.ceil(len / 8) * 8;
  }
  return out;
}

/** What a sender attached (struct scm_cookie). Holds a reference to each file until `files` goes into a packet or is dropped. */
export interface ScmCookie {
  files: File[] | null;
  /** SCM_CREDENTIALS that the sender gave. */
  creds: Ucred | null;
}
/** scm_send: control messages of level SOL_SOCKET. */
export function scmSend(k: Kernel, family: number, control: Uint8Array): ScmCookie | number {
  const scm: ScmCookie = { files: null, creds: null };
  if (control.length === 0) return scm;
  const cmsgs = parseCmsgs(control);
  if (typeof cmsgs === 'number') return cmsgs;
  for (const c of cmsgs) {
    if (c.level !== SOL_SOCKET) continue;
    const r = c.type === SCM_RIGHTS && family === AF_UNIX ? copyFiles(k, scm, c.data) : c.type === SCM_CREDENTIALS ? copyCreds(k, scm, c.data) : -EINVAL;
    if (r < 0) {
      scmDestroy(k, scm);
      return r;
    }
  }
  return scm;
}
function copyFiles(k: Kernel, scm: ScmCookie, data: Uint8Array): number {
  const n = Math.floor(data.length / 4);
  if (n === 0) return 0;
  if (n > SCM_MAX_FD || (scm.files?.length ?? 0) + n > SCM_MAX_FD) return -EINVAL;
  const v = new DataView(data.buffer, data.byteOffset, data.length);
  for (let i = 0; i < n; i++) {
    const file = k.current.files.get(v.getInt32(i * 4, true));
    if (file === null) return -EBADF;
    file.refs++;
    scm.files ??= [];
    scm.files.push(file);
  }
  return 0;
}
/** scm_check_creds: only one's own identity without the capabilities for more. */
function copyCreds(k: Kernel, scm: ScmCookie, data: Uint8Array): number {
  if (data.length !== 12) return -EINVAL;
  const v = new DataView(data.buffer, data.byteOffset, 12);
  const creds = { pid: v.getInt32(0, true), uid: v.getUint32(4, true), gid: v.getUint32(8, true) };
  const { current } = k;
  const c = current.cred;
  const pidOk = creds.pid === current.tgid || current.capable(CAP_SYS_ADMIN);
  const uidOk = [c.uid, c.euid, c.suid].includes(creds.uid) || current.capable(CAP_SETUID);
  const gidOk = [c.gid, c.egid, c.sgid].includes(creds.gid) || current.capable(CAP_SETGID);
  if (creds.uid === 0xffff_ffff || creds.gid === 0xffff_ffff) return -EINVAL;
  if (!pidOk || !uidOk || !gidOk) return -EPERM;
  if (k.sched.find(creds.pid) === undefined) return -ESRCH;
  scm.creds = creds;
  return 0;
}
export function scmDestroy(k: Kernel, scm: ScmCookie): void {
  for (const file of scm.files ?? []) k.vfs.fput(file);
  scm.files = null;
}

/** A receiver's buffer for control messages, written as they come (put_cmsg). */
export class CmsgBuffer {
  readonly base: number;
  private left: number;
  used = 0;
  /** MSG_CTRUNC when something did not fit. */
  flags = 0;
  readonly cloexec: boolean;
  constructor(base: number, length: number, callFlags: number) {
    this.base = base;
    this.left = base === 0 ? 0 : length;
    this.cloexec = (callFlags & MSG_CMSG_CLOEXEC) !== 0;
  }
  put(k: Kernel, level: number, type: number, data: Uint8Array): void {
    if (this.base === 0 || this.left < HDR) {
      this.flags |= MSG_CTRUNC;
      return;
    }
    let len = HDR + data.length;
    if (this.left < len) {
      this.flags |= MSG_CTRUNC;
      len = this.left;
    }
    this.write(k, level, type, len, data.subarray(0, len - HDR), Math.ceil((HDR + data.length) / 8) * 8);
  }
  private write(k: Kernel, level: number, type: number, len: number, data: Uint8Array, space: number): void {
    const bytes = new Uint8Array(HDR + data.length);
    const v = new DataView(bytes.buffer);
    v.setBigUint64(0, BigInt(len), true);
    v.setInt32(8, level, true);
    v.setInt32(12, type, true);
    bytes.set(data, HDR);
    if (copyToUser(k, this.base + this.used, bytes) < 0) return;
    const step = Math.min(space, this.left);
    this.used += step;
    this.left -= step;
  }
  putInt(k: Kernel, level: number, type: number, value: number): void {
    const b = new Uint8Array(4);
    new DataView(b.buffer).setInt32(0, value, true);
    this.put(k, level, type, b);
  }
  /** Gives the receiver descriptors for as many files as fit (scm_detach_fds); takes over the references. */
  putFiles(k: Kernel, files: readonly File[]): void {
    const max = this.left <= HDR ? 0 : Math.floor((this.left - HDR) / 4);
    const { current } = k;
    const fds: number[] = [];
    for (const file of files) {
      const fd = fds.length < max ? current.files.allocFd(0, current.signal.rlimit(RLIMIT_NOFILE)) : -1;
      if (fd < 0) break;
      file.refs++;
      current.files.install(fd, file, this.cloexec);
      fds.push(fd);
    }
    if (fds.length > 0) {
      const data = new Uint8Array(fds.length * 4);
      fds.forEach((fd, i) => {
        new DataView(data.buffer).setInt32(i * 4, fd, true);
      });
      this.write(k, SOL_SOCKET, SCM_RIGHTS, HDR + data.length, data, Math.ceil((HDR + data.length) / 8) * 8);
    }
    if (fds.length < files.length) this.flags |= MSG_CTRUNC;
    for (const file of files) k.vfs.fput(file);
  }
}
export function ucredBytes(c: Ucred): Uint8Array {
  const b = new Uint8Array(12);
  const v = new DataView(b.buffer);
  v.setInt32(0, c.pid, true);
  v.setUint32(4, c.uid, true);
  v.setUint32(8, c.gid, true);
  return b;
}
