import * as E from '../../../abi/errno.ts';
import * as S from '../../../abi/socket.ts';
import * as TCP from '../../../abi/tcp.ts';
import type { Kernel } from '../../kernel.ts';
import { cstringOf } from '../../lib/bytes.ts';
import type { Socket } from '../socket.ts';
import { inetGetsockopt, inetSetsockopt } from './ip_sockglue.ts';
import { netRx } from './ip_output.ts';
import { mtuMss, pushPending, sendAck } from './tcp_output.ts';
import * as T from './tcp_sock.ts';
import { seqDiff, type TcpSock } from './tcp_sock.ts';
import { isV4 } from './ip_addr.ts';
import { keepIdle, resetTimer, stopTimer } from './tcp_timer.ts';

// Options of SOL_TCP (do_tcp_setsockopt, do_tcp_getsockopt; tcp(7)).

const { SEC, MSEC } = T;
/** tcp_available_congestion_control. The choice is kept; all behave as Reno does. */
export const CONGESTION = ['reno', 'cubic'];
const viewOf = (b: Uint8Array) => new DataView(b.buffer, b.byteOffset, b.length);
function int(n: number): Uint8Array {
  const b = new Uint8Array(4);
  viewOf(b).setInt32(0, n, true);
  return b;
}
export function keepaliveChanged(k: Kernel, sk: TcpSock): void {
  if (sk.state === S.TCP_CLOSE || sk.state === S.TCP_LISTEN) return;
  if (sk.keepalive) resetTimer(k, sk, sk.keepTimer, k.time.now() + keepIdle(k, sk));
  else stopTimer(sk.keepTimer);
}
export function tcpSetsockopt(k: Kernel, sock: Socket, level: number, name: number, value: Uint8Array): number {
  const sk = sock.sk as TcpSock;
  if (level !== S.SOL_TCP) return inetSetsockopt(k, sock, level, name, value);
  if (name === TCP.TCP_CONGESTION) {
    if (value.length < 1) return -E.EINVAL;
    const wanted = cstringOf(value.subarray(0, 15));
    if (!CONGESTION.includes(wanted)) return -E.ENOENT;
    sk.congestion = wanted;
    return 0;
  }
  if (name === TCP.TCP_ULP) return -E.ENOENT;
  if (value.length < 4) return -E.EINVAL;
  const val = viewOf(value).getInt32(0, true);
  const bool = val !== 0;
  switch (name) {
    case TCP.TCP_MAXSEG:
      if (val !== 0 && (val < TCP.TCP_MIN_MSS || val > TCP.MAX_TCP_WINDOW)) return -E.EINVAL;
      sk.userMss = val;
      return 0;
    case TCP.TCP_NODELAY:
      if (bool) {
        sk.nonagle |= T.NAGLE_OFF;
        pushPending(k, sk, sk.nonagle | T.NAGLE_PUSH);
        netRx(k);
      } else sk.nonagle &= ~T.NAGLE_OFF;
      return 0;
    case TCP.TCP_CORK:
      if (bool) sk.nonagle |= T.NAGLE_CORK;
      else {
        sk.nonagle &= ~T.NAGLE_CORK;
        pushPending(k, sk, (sk.nonagle & T.NAGLE_OFF) !== 0 ? sk.nonagle | T.NAGLE_PUSH : sk.nonagle);
        netRx(k);
      }
      return 0;
    case TCP.TCP_KEEPIDLE:
      if (val < 1 || val > TCP.MAX_TCP_KEEPIDLE) return -E.EINVAL;
      sk.keepIdle = val * SEC;
      if (sk.keepalive && sk.state !== S.TCP_CLOSE && sk.state !== S.TCP_LISTEN)
        resetTimer(k, sk, sk.keepTimer, Math.max(k.time.now(), Math.max(sk.lastRcv, sk.lastAckRcv) + sk.keepIdle));
      return 0;
    case TCP.TCP_KEEPINTVL:
      if (val < 1 || val > TCP.MAX_TCP_KEEPINTVL) return -E.EINVAL;
      sk.keepIntvl = val * SEC;
      return 0;
    case TCP.TCP_KEEPCNT:
      if (val < 1 || val > TCP.MAX_TCP_KEEPCNT) return -E.EINVAL;
      sk.keepCnt = val;
      return 0;
    case TCP.TCP_SYNCNT:
      if (val < 1 || val > TCP.MAX_TCP_SYNCNT) return -E.EINVAL;
      sk.synRetries = val;
      return 0;
    case TCP.TCP_LINGER2:
      sk.linger2 = val < 0 ? -1 : val > 120 ? 120 * SEC : val * SEC;
      return 0;
    case TCP.TCP_DEFER_ACCEPT:
      // Seconds become a number of retransmissions.
      sk.deferAccept = secsToRetrans(val);
      return 0;
    case TCP.TCP_WINDOW_CLAMP:
      if (val === 0) {
        if (sk.state !== S.TCP_CLOSE) return -E.EINVAL;
        sk.windowClamp = 0;
      } else {
        sk.windowClamp = Math.max(val, 1152);
        sk.rcvSsthresh = Math.min(sk.rcvWnd, sk.windowClamp);
      }
      return 0;
    case TCP.TCP_QUICKACK:
      if (!bool) sk.ackPingpong = 1;
      else {
        sk.ackPingpong = 0;
        if ((sk.state === S.TCP_ESTABLISHED || sk.state === S.TCP_CLOSE_WAIT) && (sk.ackPending & T.ACK_SCHED) !== 0) {
          sendAck(k, sk);
          if ((val & 1) === 0) sk.ackPingpong = 1;
          netRx(k);
        }
      }
      return 0;
    case TCP.TCP_USER_TIMEOUT:
      if (val < 0) return -E.EINVAL;
      sk.userTimeout = val * MSEC;
      return 0;
    case TCP.TCP_NOTSENT_LOWAT:
      sk.notsentLowat = val >>> 0;
      return 0;
    case TCP.TCP_INQ:
      if (val < 0 || val > 1) return -E.EINVAL;
      sk.inq = bool;
      return 0;
    case TCP.TCP_SAVE_SYN:
      if (val < 0 || val > 2) return -E.EINVAL;
      sk.saveSyn = val;
      return 0;
    case TCP.TCP_THIN_LINEAR_TIMEOUTS:
    case TCP.TCP_THIN_DUPACK:
      if (val < 0 || val > 1) return -E.EINVAL;
      sk.kept.set(`tcp${name}`, name === TCP.TCP_THIN_DUPACK ? 0 : val);
      return 0;
    case TCP.TCP_FASTOPEN:
      if (val < 0 || (sk.state !== S.TCP_CLOSE && sk.state !== S.TCP_LISTEN)) return -E.EINVAL;
      sk.kept.set(`tcp${name}`, Math.min(val, k.net.somaxconn));
      return 0;
    case TCP.TCP_FASTOPEN_CONNECT:
      if (val < 0 || val > 1) return -E.EINVAL;
      if (sk.state !== S.TCP_CLOSE) return -E.EINVAL;
      k.printk.log(4, 'setsockopt: TCP_FASTOPEN_CONNECT is not implemented');
      return -E.EOPNOTSUPP;
    case TCP.TCP_FASTOPEN_NO_COOKIE:
      if (val < 0 || val > 1 || (sk.state !== S.TCP_CLOSE && sk.state !== S.TCP_LISTEN)) return -E.EINVAL;
      sk.kept.set(`tcp${name}`, val);
      return 0;
    case TCP.TCP_TIMESTAMP:
    case TCP.TCP_REPAIR:
      return k.current.capable(12) && name === TCP.TCP_REPAIR ? repairMissing(k) : -E.EPERM;
  }
  return -E.ENOPROTOOPT;
}
function repairMissing(k: Kernel): number {
  k.printk.log(4, 'setsockopt: TCP_REPAIR is not implemented');
  return -E.EOPNOTSUPP;
}
/** secs_to_retrans and back, for timeouts that double from one second. */
function secsToRetrans(seconds: number): number {
  let n = 0;
  if (seconds > 0) {
    n = 1;
    for (let period = 1, timeout = 1; seconds > period && n < 255; n++) {
      timeout = Math.min(timeout * 2, 120);
      period += timeout;
    }
  }
  return n;
}
function retransToSecs(retrans: number): number {
  let period = 0;
  if (retrans > 0) {
    period = 1;
    for (let n = retrans - 1, timeout = 1; n > 0; n--) {
      timeout = Math.min(timeout * 2, 120);
      period += timeout;
    }
  }
  return period;
}
export function tcpGetsockopt(k: Kernel, sock: Socket, level: number, name: number, len: number): Uint8Array | number {
  const sk = sock.sk as TcpSock;
  if (level !== S.SOL_TCP) return inetGetsockopt(k, sock, level, name, len);
  switch (name) {
    case TCP.TCP_MAXSEG: {
      const idle = sk.state === S.TCP_CLOSE || sk.state === S.TCP_LISTEN;
      return int(idle && sk.userMss !== 0 ? sk.userMss : sk.mssCache);
    }
    case TCP.TCP_NODELAY:
      return int(sk.nonagle & T.NAGLE_OFF ? 1 : 0);
    case TCP.TCP_CORK:
      return int(sk.nonagle & T.NAGLE_CORK ? 1 : 0);
    case TCP.TCP_KEEPIDLE:
      return int(Math.floor(keepIdle(k, sk) / SEC));
    case TCP.TCP_KEEPINTVL:
      return int(sk.keepIntvl !== 0 ? sk.keepIntvl / SEC : k.net.tcpKeepaliveIntvl);
    case TCP.TCP_KEEPCNT:
      return int(sk.keepCnt !== 0 ? sk.keepCnt : k.net.tcpKeepaliveProbes);
    case TCP.TCP_SYNCNT:
      return int(sk.synRetries !== 0 ? sk.synRetries : k.net.tcpSynRetries);
    case TCP.TCP_LINGER2:
      return int(sk.linger2 < 0 ? -1 : sk.linger2 > 0 ? sk.linger2 / SEC : k.net.tcpFinTimeout);
    case TCP.TCP_DEFER_ACCEPT:
      return int(retransToSecs(sk.deferAccept));
    case TCP.TCP_WINDOW_CLAMP:
      return int(sk.windowClamp);
    case TCP.TCP_INFO:
      return tcpInfo(k, sk);
    case TCP.TCP_QUICKACK:
      return int(sk.ackPingpong === 0 ? 1 : 0);
    case TCP.TCP_CONGESTION: {
      const b = new Uint8Array(16);
      [...sk.congestion].forEach((c, i) => {
        b[i] = c.charCodeAt(0);
      });
      return b;
    }
    case TCP.TCP_ULP:
      return new Uint8Array(0);
    case TCP.TCP_USER_TIMEOUT:
      return int(sk.userTimeout / MSEC);
    case TCP.TCP_NOTSENT_LOWAT:
      return int(sk.notsentLowat | 0);
    case TCP.TCP_INQ:
      return int(Number(sk.inq));
    case TCP.TCP_SAVE_SYN:
      return int(sk.saveSyn);
    case TCP.TCP_THIN_LINEAR_TIMEOUTS:
    case TCP.TCP_THIN_DUPACK:
    case TCP.TCP_FASTOPEN:
    case TCP.TCP_FASTOPEN_NO_COOKIE:
      return int(sk.kept.get(`tcp${name}`) ?? 0);
    case TCP.TCP_FASTOPEN_CONNECT:
      return int(0);
    case TCP.TCP_TIMESTAMP:
      return int((Math.floor(k.time.now() / MSEC) + sk.tsOffset) | 0);
    case TCP.TCP_REPAIR:
      return int(0);
  }
  return -E.ENOPROTOOPT;
}
/** struct tcp_info (tcp_get_info), as long as 6.12 has it. */
export function tcpInfo(k: Kernel, sk: TcpSock): Uint8Array {
  const b = new Uint8Array(248);
  const v = viewOf(b);
  const u32 = (at: number, n: number) => v.setUint32(at, Math.max(0, Math.floor(n)) >>> 0, true);
  const u64 = (at: number, n: number) => v.setBigUint64(at, BigInt(Math.floor(n)), true);
  const now = k.time.now();
  const listen = sk.state === S.TCP_LISTEN;
  b[0] = sk.state;
  if (!listen) {
    b[2] = Math.min(sk.retransmits, 255);
    b[3] = sk.probesOut;
    b[4] = sk.backoff;
    b[5] = (sk.tstamp ? 1 : 0) | (sk.sackOk ? 2 : 0) | (sk.wscaleOk ? 4 : 0);
    b[6] = (sk.sndWscale & 15) | (sk.rcvWscale << 4);
    if (sk.state === S.TCP_CLOSE && sk.irs === 0) b[5] = b[6] = 0;
  }
  u32(8, sk.rto / 1000);
  u32(12, sk.ackAto / 1000);
  u32(16, sk.mssCache);
  u32(20, sk.rcvMss);
  if (listen) {
    u32(24, sk.acceptQueue.length);
    u32(28, sk.maxAckBacklog);
  } else {
    u32(24, sk.rtxQueue.length);
    u32(28, 0);
  }
  u32(36, sk.rtxQueue.filter((s) => s.retrans > 0).length);
  u32(44, (now - sk.lastDataSent) / MSEC);
  u32(52, (now - sk.lastRcv) / MSEC);
  u32(56, (now - sk.lastAckRcv) / MSEC);
  u32(60, sk.state === S.TCP_CLOSE ? 0 : mtuMss(isV4(sk.daddr)) + (isV4(sk.daddr) ? 40 : 60));
  u32(64, sk.rcvSsthresh);
  u32(68, sk.srtt / 8);
  u32(72, sk.srtt === 0 ? 250_000 : sk.rttvar / 4);
  u32(76, sk.ssthresh);
  u32(80, sk.cwnd);
  u32(84, sk.advmss);
  u32(88, 3);
  u32(92, sk.rcvRtt);
  u32(96, sk.spaceBytes);
  u32(100, sk.totalRetrans);
  v.setBigInt64(104, -1n, true); // pacing rate
  v.setBigInt64(112, -1n, true);
  u64(120, sk.bytesAcked);
  u64(128, sk.bytesReceived);
  u32(136, sk.segsOut);
  u32(140, sk.segsIn);
  u32(144, seqDiff(sk.writeSeq, sk.sndNxt));
  u32(148, sk.minRtt);
  u32(152, sk.dataSegsIn);
  u32(156, sk.dataSegsOut);
  u32(192, sk.delivered);
  u64(200, sk.bytesSent);
  u64(208, sk.bytesRetrans);
  u32(224, sk.rcvOoopack);
  u32(228, sk.sndWnd);
  u32(232, sk.rcvWnd);
  return b;
}
