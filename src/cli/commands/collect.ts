/** For options that may be given several times: all values, in order. */
export function collect(value: string, previous: readonly string[] = []): readonly string[] { return [...previous, value] }
