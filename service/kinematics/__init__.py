"""What is made of joints once they are read: smoothed paths, joint angles, metres. Raw values stay beside them."""
