/** Replaces one member of an object, a prototype or a class until disposed. For the simulator alone: product code offers no hooks for bugs. */
export function patch<T extends object, K extends keyof T>(target: T, name: K, make: (original: T[K]) => T[K]): Disposable {
  const original = target[name]
  target[name] = make(original)
  return { [Symbol.dispose]: () => { target[name] = original } }
}
