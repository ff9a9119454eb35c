// Requests to the server that gave this page. A failure is an ApiError with the server's own words.
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

type Parameters = Record<string, string | number | undefined>;

export function address(path: string, parameters: Parameters = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') query.set(key, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

function messageOf(body: unknown): string | undefined {
  const errors = (body as { errors?: { message?: string }[] } | undefined)?.errors;
  return errors?.map((error) => error.message).join('; ');
}

export async function request<T>(method: string, path: string, parameters?: Parameters, body?: unknown): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(address(path, parameters), {
      method,
      credentials: 'same-origin',
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, 'The server does not answer.');
  }
  const text = await answer.text();
  let document: unknown;
  try {
    document = text ? JSON.parse(text) : undefined;
  } catch {
    document = undefined;
  }
  if (!answer.ok) throw new ApiError(answer.status, messageOf(document) ?? `The server answers ${answer.status}.`);
  return document as T;
}
