/** State of the VFS: mounts, file system types. Owned by the fs helper. */
export interface Vfs {
  readonly filesystems: readonly string[];
}
