"""MediaPipe Pose on a clip, in an environment of its own: `python mediapipe_reader.py COMPLEXITY CLIP`.

Prints `{"joints": [[x, y], ...]}` a frame, our 13 joints in pixels; `{"joints": null}` where it sees nobody. It imports
nothing of ours.
"""

import json
import sys

import cv2
import mediapipe as mp

JOINTS = (0, 12, 11, 14, 13, 16, 15, 24, 23, 26, 25, 28, 27)
"""Nose, then right and left shoulder, elbow, wrist, hip, knee, ankle among its 33."""


def main() -> None:
    """Read the clip as the video that it is: the landmarks of a frame tell where to look in the next."""
    complexity, clip = int(sys.argv[1]), sys.argv[2]
    capture = cv2.VideoCapture(clip)
    with mp.solutions.pose.Pose(static_image_mode=False, model_complexity=complexity) as pose:
        while True:
            there, picture = capture.read()
            if not there:
                break
            found = pose.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).pose_landmarks
            print(json.dumps({"joints": found and _pixels(found.landmark, *picture.shape[:2])}), flush=True)


def _pixels(landmarks: "list[mp.NormalizedLandmark]", height: int, width: int) -> list[tuple[float, float]]:
    return [(landmarks[k].x * width - 0.5, landmarks[k].y * height - 0.5) for k in JOINTS]


if __name__ == "__main__":
    main()
