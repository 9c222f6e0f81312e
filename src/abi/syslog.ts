// syslog(2), printk and /dev/kmsg (include/linux/syslog.h, kern_levels.h, printk.h; man 2 syslog).

export const SYSLOG_ACTION_CLOSE = 0;
export const SYSLOG_ACTION_OPEN = 1;
export const SYSLOG_ACTION_READ = 2;
export const SYSLOG_ACTION_READ_ALL = 3;
export const SYSLOG_ACTION_READ_CLEAR = 4;
export const SYSLOG_ACTION_CLEAR = 5;
export const SYSLOG_ACTION_CONSOLE_OFF = 6;
export const SYSLOG_ACTION_CONSOLE_ON = 7;
export const SYSLOG_ACTION_CONSOLE_LEVEL = 8;
export const SYSLOG_ACTION_SIZE_UNREAD = 9;
export const SYSLOG_ACTION_SIZE_BUFFER = 10;

export const KERN_EMERG = 0;
export const KERN_ALERT = 1;
export const KERN_CRIT = 2;
export const KERN_ERR = 3;
export const KERN_WARNING = 4;
export const KERN_NOTICE = 5;
export const KERN_INFO = 6;
export const KERN_DEBUG = 7;
/** Take the level from the text's prefix, else from /proc/sys/kernel/printk. */
export const LOGLEVEL_DEFAULT = -1;
/** ASCII SOH: a digit or 'c' (continuation) follows. */
export const KERN_SOH = '\x01';

/** Facilities (<syslog.h>): who wrote the message. */
export const LOG_KERN = 0;
export const LOG_USER = 1;

/** Debian: CONFIG_LOG_BUF_SHIFT 17, CONFIG_CONSOLE_LOGLEVEL_DEFAULT, CONFIG_CONSOLE_LOGLEVEL_QUIET, CONFIG_MESSAGE_LOGLEVEL_DEFAULT. */
export const LOG_BUF_LEN = 1 << 17;
export const CONSOLE_LOGLEVEL_DEFAULT = 7;
export const CONSOLE_LOGLEVEL_QUIET = 4;
export const CONSOLE_LOGLEVEL_DEBUG = 10;
export const CONSOLE_LOGLEVEL_MIN = 1;
export const MESSAGE_LOGLEVEL_DEFAULT = 4;

/** Bytes of one record's text, its NUL included (PRINTKRB_RECORD_MAX), and of a record as text with prefixes (PRINTK_MESSAGE_MAX). */
export const RECORD_MAX = 1024;
export const MESSAGE_MAX = 2048;
