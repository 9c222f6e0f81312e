// The newc archive format (Documentation/driver-api/early-userspace/buffer-format.rst).
export const CPIO_MAGIC = '070701';
export const CPIO_HEADER = 110;
export const CPIO_TRAILER = 'TRAILER!!!';
