/** One of the two that are compared: a running cluster of some nodes on this machine. */
export interface Subject extends AsyncDisposable {
  readonly name: string
  /** Makes `count` puts' targets ready: one for each key, then a function that overwrites key i with `value` on the leader. */
  writer(keys: number): Promise<Writer>
}

/** Overwrites one key; resolves when it is committed. */
export interface Writer extends AsyncDisposable { put(key: number, value: string): Promise<void> }
