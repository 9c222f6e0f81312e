/** Descriptor table and fs (root, cwd, umask) of tasks. Owned by the fs helper. */
export interface FilesStruct {
  readonly count: number;
}
export interface FsStruct {
  umask: number;
}
