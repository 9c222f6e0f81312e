import { EBADF, EMFILE } from '../../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import type { File, Path } from './types.ts';

/** Descriptor table; threads share one (files_struct). */
export class FilesStruct {
  readonly fds: (File | null)[] = [];
  readonly closeOnExec: boolean[] = [];
  users = 1;

  get(fd: number): File | null {
    return this.fds[fd] ?? null;
  }
  /** The lowest free descriptor at or above `from`, or -EMFILE. */
  allocFd(from: number, limit: number): number {
    let fd = from;
    while (fd < limit && this.fds[fd] != null) fd++;
    return fd < limit ? fd : -EMFILE;
  }
  install(fd: number, file: File, cloexec: boolean): void {
    while (this.fds.length < fd) {
      this.fds.push(null);
      this.closeOnExec.push(false);
    }
    this.fds[fd] = file;
    this.closeOnExec[fd] = cloexec;
  }
  /** Closes one descriptor. */
  close(k: Kernel, fd: number): number {
    const file = this.get(fd);
    if (file === null) return -EBADF;
    this.fds[fd] = null;
    k.vfs.filpClose(file, this);
    return 0;
  }
  /** fork's copy. */
  dup(): FilesStruct {
    const copy = new FilesStruct();
    this.fds.forEach((file, fd) => {
      if (file === null || file === undefined) return;
      file.refs++;
      copy.install(fd, file, this.closeOnExec[fd]);
    });
    return copy;
  }
  closeAll(k: Kernel, onlyCloexec: boolean): void {
    for (let fd = 0; fd < this.fds.length; fd++) if (this.fds[fd] !== null && (!onlyCloexec || this.closeOnExec[fd])) this.close(k, fd);
  }
}

/** Root, working directory and umask; CLONE_FS shares one (fs_struct). */
export class FsStruct {
  root: Path;
  pwd: Path;
  umask: number;
  users = 1;
  constructor(root: Path, pwd: Path, umask: number) {
    this.root = root;
    this.pwd = pwd;
    this.umask = umask;
  }
  dup(): FsStruct {
    return new FsStruct(this.root, this.pwd, this.umask);
  }
}
