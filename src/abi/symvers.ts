export const SYMVERS: Readonly<Record<string, readonly [crc: number, gpl: 0 | 1] | undefined>> = { module_layout: [0xc406c197, 0] };
