/** Larger requests go out by themselves: others would wait behind them. */
export const REQUEST_BYTES_MAX = 64 * 1024
/** Calls of one link that are not answered yet. The caller keeps to it; more than that wait there, where they still can be given up. */
export const CALLS_MAX = 4096
/** Bytes of requests or answers that travel in one frame; a larger answer travels alone. */
export const BATCH_BYTES_MAX = 1024 * 1024
/** What a call or an answer has besides, at most but for long names and messages: ids, keys and lengths. */
export const ENTRY_BYTES = 32
/** A larger answer fails its call: as a frame it would fail the link, and all calls with it. */
export const ANSWER_BYTES_MAX = 32 * 1024 * 1024
/** The longest frames: a batch or the largest answer, with room for what they have besides. */
export const CALLS_FRAME_BYTES_MAX = 2 * BATCH_BYTES_MAX
export const ANSWERS_FRAME_BYTES_MAX = ANSWER_BYTES_MAX + 4 * BATCH_BYTES_MAX
