import type { StatfsSizes } from './fs/types.ts';

/**
 * An image that the guest's root file system is made of (abi/image_format.ts). Its contents are part of what a run starts from, so reading them
 * late does not make a run depend on anything else.
 */
export interface ImageLayer {
  readonly index: Uint8Array;
  /** Fills `into` from a blob; false when that cannot be done. */
  read(blob: number, offset: number, into: Uint8Array): boolean;
  /** A blob's name, for messages. */
  name(blob: number): string;
}

/** What the host says of a file in a shared directory. Plain data, so that it can be recorded. */
export interface HostAttr {
  /** The host's name for it from now on. */
  readonly node: number;
  /** Type and permission bits. */
  readonly mode: number;
  /** As the guest sees them. */
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly size: number;
  /** 512-byte units. */
  readonly blocks: number;
  readonly atime: HostTime;
  readonly mtime: HostTime;
  readonly ctime: HostTime;
  readonly btime: HostTime;
}
export interface HostTime {
  readonly sec: number;
  readonly nsec: number;
}
/**
 * A directory of the host that the guest may mount (fs/hostfs). Names are single components of bytes; the host refuses any that are not. Nothing here
 * follows a symbolic link, and nothing leaves the directory. Failures are negative errno values.
 */
export interface HostDirectory {
  readonly readOnly: boolean;
  root(): HostAttr | number;
  lookup(dir: number, name: string): HostAttr | number;
  getattr(node: number): HostAttr | number;
  /** Names with their types (S_IFMT bits), in the order of their bytes. */
  readdir(dir: number): { readonly name: string; readonly mode: number }[] | number;
  readlink(node: number): string | number;
  /** A new regular file. */
  create(dir: number, name: string, mode: number, uid: number, gid: number): HostAttr | number;
  mkdir(dir: number, name: string, mode: number, uid: number, gid: number): HostAttr | number;
  symlink(dir: number, name: string, target: string, uid: number, gid: number): HostAttr | number;
  link(node: number, dir: number, name: string): number;
  unlink(dir: number, name: string): number;
  rmdir(dir: number, name: string): number;
  rename(dir: number, name: string, toDir: number, toName: string): number;
  setMode(node: number, mode: number): number;
  setOwner(node: number, uid: number, gid: number): number;
  setTimes(node: number, atime: HostTime, mtime: HostTime): number;
  truncate(node: number, size: number): number;
  /** A handle for reads, and writes when asked for. */
  open(node: number, write: boolean): number;
  close(handle: number): void;
  read(handle: number, position: number, into: Uint8Array): number;
  write(handle: number, position: number, bytes: Uint8Array): number;
  /** Makes what was written (through any handle) survive a crash of the host. */
  sync(handle: number): number;
  syncDir(node: number): number;
  space(): StatfsSizes | number;
  /** The guest has no use for the node any more. */
  forget(node: number): void;
}

/** The doors to the outside (rule 4): everything that enters or leaves a running kernel passes one of these. */
export interface HostDoors {
  /** Bytes written to the system console (ttyS0). */
  consoleWrite(bytes: Uint8Array): void;
  /** Fills with entropy. In a seeded run the host derives it from the seed. */
  entropy(into: Uint8Array): void;
  /** Wall clock at boot, nanoseconds since the epoch as a number of seconds and nanoseconds. A fixed date in a seeded run. */
  bootTime(): { sec: number; nsec: number };
  /**
   * Host nanoseconds since boot, for pacing; null in a seeded run (the clock is then a function of instructions and idle jumps).
   */
  elapsed: (() => number) | null;
  /** Directories that the host shares, by the name to mount them by. */
  readonly directories?: ReadonlyMap<string, HostDirectory>;
}
