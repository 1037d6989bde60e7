/** A path as `docker cp` gives it: absolute, without dots and doubled slashes, but with the "/" or "/." at its end that says "what is in it". */
export function absolutePath(path: string): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  const clean = `/${parts.join('/')}`
  if (clean === '/') return clean
  if (path === '.' || path.endsWith('/.')) return `${clean}/.`
  return path.endsWith('/') ? `${clean}/` : clean
}

/** What a copy of this path is called: its last part, "." for "what is in it", "/" for the root. */
export function baseName(path: string): string {
  if (path === '/') return '/'
  const trimmed = path.endsWith('/') ? path.slice(0, -1) : path
  return trimmed.slice(trimmed.lastIndexOf('/') + 1)
}

const GO_TYPES = { directory: 2 ** 31, symlink: 2 ** 27, device: 2 ** 26, fifo: 2 ** 25, socket: 2 ** 24, setuid: 2 ** 23, setgid: 2 ** 22, character: 2 ** 21, sticky: 2 ** 20 }

/** A mode as Go's os.FileMode has it. */
export function goFileMode(stat: { readonly mode: number; isDirectory(): boolean; isSymbolicLink(): boolean; isFIFO(): boolean; isSocket(): boolean; isBlockDevice(): boolean; isCharacterDevice(): boolean }): number {
  const { mode } = stat
  return (mode & 0o777)
    + (stat.isDirectory() ? GO_TYPES.directory : 0) + (stat.isSymbolicLink() ? GO_TYPES.symlink : 0) + (stat.isFIFO() ? GO_TYPES.fifo : 0) + (stat.isSocket() ? GO_TYPES.socket : 0)
    + (stat.isBlockDevice() || stat.isCharacterDevice() ? GO_TYPES.device : 0) + (stat.isCharacterDevice() ? GO_TYPES.character : 0)
    + (mode & 0o4000 ? GO_TYPES.setuid : 0) + (mode & 0o2000 ? GO_TYPES.setgid : 0) + (mode & 0o1000 ? GO_TYPES.sticky : 0)
}
