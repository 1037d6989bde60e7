import type net from 'node:net'
import { ShoalError } from '../../base/errors.ts'

/**
 * Makes the server listen. Errors that come later (accepting fails while file descriptors are short) go to `onError`; it goes on listening.
 * @param address names the place in messages
 * @throws ShoalError `address-in-use`, `cannot-listen` (failed-precondition)
 */
export async function listen(server: net.Server, where: net.ListenOptions, address: string, onError: (error: Error) => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onFailure = (cause: NodeJS.ErrnoException): void => {
      const code = cause.code === 'EADDRINUSE' ? 'address-in-use' : 'cannot-listen'
      reject(new ShoalError('failed-precondition', code, `cannot listen on ${address}: ${cause.message}`, { cause }))
    }
    server.once('error', onFailure)
    server.listen(where, () => {
      server.removeListener('error', onFailure)
      server.on('error', onError)
      resolve()
    })
  })
}
