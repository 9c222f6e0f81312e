// A small riscv64 program that makes one ioctl(2) for the host: Vm.ioctl puts it into the guest. It reads a request from its standard input into memory
// at DATA, opens the file, makes the call, and writes the result and the buffer behind it to standard output.
//
//   0 offset of the path   8 flags of open   16 request   24 argument   32 offset of the result   40 bytes to write out

const CODE = 0x10000;
const DATA = 0x20000;
const DATA_SIZE = 0x10000;
const HEADER = 48;
/** What a request can name (_IOC_SIZEBITS). */
const BUFFER_MAX = 16384;
const O_RDWR = 2;

const PROGRAM = [
  0x00020437, // lui   s0, 0x20
  0x00040493, // mv    s1, s0
  0x03f00893, // li    a7, 63          read(0, s1, 65536) until there is no more
  0x00000513, // li    a0, 0
  0x00048593, // mv    a1, s1
  0x00010637, // lui   a2, 0x10
  0x00000073, // ecall
  0x00a05663, // blez  a0, +12
  0x00a484b3, // add   s1, s1, a0
  0xfe5ff06f, // j     -28
  0x03800893, // li    a7, 56          openat(AT_FDCWD, path, flags, 0)
  0xf9c00513, // li    a0, -100
  0x00043583, // ld    a1, 0(s0)
  0x008585b3, // add   a1, a1, s0
  0x00843603, // ld    a2, 8(s0)
  0x00000693, // li    a3, 0
  0x00000073, // ecall
  0x00054a63, // bltz  a0, +20
  0x01043583, // ld    a1, 16(s0)      ioctl(fd, request, argument)
  0x01843603, // ld    a2, 24(s0)
  0x01d00893, // li    a7, 29
  0x00000073, // ecall
  0x02043583, // ld    a1, 32(s0)      write(1, result and buffer)
  0x008585b3, // add   a1, a1, s0
  0x00a5b023, // sd    a0, 0(a1)
  0x02843603, // ld    a2, 40(s0)
  0x04000893, // li    a7, 64
  0x00100513, // li    a0, 1
  0x00000073, // ecall
  0x05d00893, // li    a7, 93          exit(0)
  0x00000513, // li    a0, 0
  0x00000073, // ecall
] as const;

/** The program as an ELF file. */
export function ioctlProgram(): Uint8Array {
  const headers = 64 + 2 * 56;
  const bytes = new Uint8Array(headers + PROGRAM.length * 4);
  const v = new DataView(bytes.buffer);
  // 64 bits, little-endian, version 1; an executable for RISC-V.
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  v.setUint16(16, 2, true);
  v.setUint16(18, 243, true);
  v.setUint32(20, 1, true);
  v.setBigUint64(24, BigInt(CODE + headers), true);
  v.setBigUint64(32, 64n, true);
  v.setUint16(52, 64, true);
  v.setUint16(54, 56, true);
  v.setUint16(56, 2, true);
  const segment = (at: number, flags: number, address: number, fileSize: number, size: number) => {
    v.setUint32(at, 1, true);
    v.setUint32(at + 4, flags, true);
    v.setBigUint64(at + 16, BigInt(address), true);
    v.setBigUint64(at + 24, BigInt(address), true);
    v.setBigUint64(at + 32, BigInt(fileSize), true);
    v.setBigUint64(at + 40, BigInt(size), true);
    v.setBigUint64(at + 48, 0x1000n, true);
  };
  segment(64, 5, CODE, bytes.length, bytes.length);
  segment(64 + 56, 6, DATA, 0, DATA_SIZE);
  PROGRAM.forEach((word, i) => {
    v.setUint32(headers + i * 4, word, true);
  });
  return bytes;
}

/** What it reads. @throws RangeError for a buffer that no request can name */
export function ioctlInput(path: string, request: number, argument: number | bigint | Uint8Array): Uint8Array {
  const name = new TextEncoder().encode(`${path}\0`);
  const buffer = argument instanceof Uint8Array ? argument : new Uint8Array(0);
  if (buffer.length > BUFFER_MAX || name.length > 4096) throw new RangeError(`an ioctl's buffer is at most ${BUFFER_MAX} bytes`);
  const result = Math.ceil((HEADER + name.length) / 8) * 8;
  const bytes = new Uint8Array(result + 8 + buffer.length);
  const v = new DataView(bytes.buffer);
  v.setBigUint64(0, BigInt(HEADER), true);
  v.setBigUint64(8, BigInt(O_RDWR), true);
  v.setBigUint64(16, BigInt.asUintN(32, BigInt(request)), true);
  v.setBigInt64(24, argument instanceof Uint8Array ? BigInt(DATA + result + 8) : BigInt.asIntN(64, BigInt(argument)), true);
  v.setBigUint64(32, BigInt(result), true);
  v.setBigUint64(40, BigInt(8 + buffer.length), true);
  bytes.set(name, HEADER);
  bytes.set(buffer, result + 8);
  return bytes;
}
