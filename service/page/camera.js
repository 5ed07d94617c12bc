// The camera of whoever looks at the page.
const WANTED = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };

const REASONS = {
  NotAllowedError: "The browser was not allowed to use a camera. Allow it in the address bar, then start again.",
  NotFoundError: "No camera was found.",
  NotReadableError: "The camera is used by another program.",
  OverconstrainedError: "The camera does not give such pictures.",
};

/** A camera's stream. Raises an Error whose message is for people. */
export async function openCamera(deviceId = null) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("Browsers give cameras to pages over https or on localhost only.");
  }
  const video = deviceId ? { ...WANTED, deviceId: { exact: deviceId } } : { ...WANTED, facingMode: "user" };
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    throw new Error(REASONS[error.name] ?? `The camera does not start: ${error.message}`);
  }
}

/** Cameras with their names, which browsers tell once one of them is allowed. */
export async function cameras() {
  return (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
}
