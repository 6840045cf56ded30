/**
 * What to put before a command to run it as an ordinary user. It keeps one capability of root, to read everything:
 * the clone may lie in a directory that only root can enter.
 */
export const AS_ORDINARY_USER = [
  "setpriv",
  "--reuid=65534",
  "--regid=65534",
  "--clear-groups",
  "--inh-caps=-all,+dac_read_search",
  "--ambient-caps=-all,+dac_read_search",
  "--",
] as const;
