/** Modules of the kernel. */
export interface Modules {
  /**
   * Makes sure that a module is there, loading it if need be and possible.
   * @param options.sign a file that exists when it is, built in or loaded
   * @throws `kernel-module-missing` (failed-precondition)
   */
  need(name: string, options: { readonly sign: string }): Promise<void>
}
