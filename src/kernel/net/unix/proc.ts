import { TCP_ESTABLISHED, TCP_LISTEN } from '../../../abi/socket.ts';
import { sysctlLive } from '../../fs/proc/proc_sysctl.ts';
import type { Kernel } from '../../kernel.ts';
import { hex } from '../../lib/seq_file.ts';
import { hashedPointer } from '../core/net_proc.ts';
import type { UnixSock } from './unix_sock.ts';

// /proc/net/unix and /proc/sys/net/unix (unix_seq_show).

/** __SO_ACCEPTCON. */
const ACCEPTCON = 0x10000;

function nameOf(sk: UnixSock): string {
  if (sk.addr === null) return '';
  // A path without its NUL; an abstract name with @ for each NUL.
  const name = sk.addr[0] === 0 ? sk.addr : sk.addr.subarray(0, sk.addr.length - 1);
  let s = ' ';
  for (const c of name) s += c === 0 ? '@' : String.fromCharCode(c);
  return s;
}
function showUnix(k: Kernel): string {
  let text = 'Num       RefCount Protocol Flags    Type St Inode Path\n';
  const { socks } = k.net.unix;
  const peers = new Map<UnixSock, number>();
  for (const sk of socks) if (sk.peer2 !== null) peers.set(sk.peer2, (peers.get(sk.peer2) ?? 0) + 1);
  for (const sk of socks) {
    const up = (n: number, width: number) => hex(n, width).toUpperCase();
    const open = sk.file !== null;
    const state = sk.state === TCP_ESTABLISHED ? (open ? 3 : 2) : open ? 1 : 4;
    const refs = 2 + (peers.get(sk) ?? 0);
    text += `${hashedPointer(k, sk)}: ${up(refs, 8)} 00000000 ${up(sk.state === TCP_LISTEN ? ACCEPTCON : 0, 8)} ${up(sk.type, 4)} ${up(state, 2)} ${String(sk.ino).padStart(5)}${nameOf(sk)}\n`;
  }
  return text;
}
export function unixProcInit(k: Kernel): void {
  k.procfs.createNet('unix', showUnix);
  const row = { get: (kk: Kernel) => kk.net.unix.maxDgramQlen, set: (kk: Kernel, n: number) => (kk.net.unix.maxDgramQlen = n), min: -0x8000_0000, max: 0x7fff_ffff };
  sysctlLive(k, 'net/unix/max_dgram_qlen', row);
}
