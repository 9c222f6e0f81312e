// Lintel's image format: a directory tree whose listings and contents are read when the guest first looks at them.
//
//   offset 0   8 bytes  magic
//          8   u32 LE   length of the header
//         12   header   JSON: ImageHeader
//         12+n listings JSON arrays of ImageEntry, one per directory, anywhere; offsets count from the end of the header
//
// Contents lie in blobs beside the index: plain bytes, `offset` and `size` long. Text is Latin-1: one char per byte of the guest's names.

export const IMAGE_MAGIC = 'LNTLIMG1';

export interface ImageHeader {
  /** The blobs by number: a name that the host knows, and its length in bytes. */
  readonly blobs: readonly { readonly name: string; readonly size: number }[];
  /** Where the root's listing is. */
  readonly root: readonly [offset: number, length: number];
  /** Number of inodes, the root included. */
  readonly inodes: number;
}

interface EntryBase {
  /** Name. */
  readonly n: string;
  /** Mode with the type bits. */
  readonly m: number;
  /** Owner and group; absent = 0. */
  readonly u?: number;
  readonly g?: number;
  /** Seconds since the epoch. */
  readonly t: number;
}
export interface ImageDir extends EntryBase {
  /** Offset and length of its listing. */
  readonly d: readonly [number, number];
  /** Subdirectories in it. */
  readonly s: number;
}
export interface ImageFile extends EntryBase {
  /** Blob, offset, size. */
  readonly f: readonly [number, number, number];
  /** Hard links: number of the inode among those with several names, and how many names. */
  readonly h?: readonly [number, number];
}
export interface ImageSymlink extends EntryBase {
  readonly l: string;
}
export type ImageEntry = ImageDir | ImageFile | ImageSymlink;
