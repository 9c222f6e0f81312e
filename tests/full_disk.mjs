// Loaded before Lintel (node --import) by tests/mounts.test.mjs: the host's disk takes 100,000 more bytes.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const write = fs.writeSync;
let room = 100_000;
fs.writeSync = (fd, bytes, offset, length, position) => {
  if (position === undefined || position === null) return write(fd, bytes, offset, length, position);
  const n = Math.min(length, room);
  if (n === 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', errno: -28, syscall: 'write' });
  room -= n;
  return write(fd, bytes, offset, n, position);
};
syncBuiltinESMExports();
